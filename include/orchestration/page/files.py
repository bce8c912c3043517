"""Answers that are files: to be saved and not shown."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from fastapi import Response

from include.surveillance.desk.cases import TYPES

# For the description of the interface.
PDF: dict[int | str, dict[str, Any]] = {200: {"content": {"application/pdf": {}}}}
CSV: dict[int | str, dict[str, Any]] = {200: {"content": {"text/csv": {}}}}
ATTACHMENT: dict[int | str, dict[str, Any]] = {200: {"content": {media_type: {} for media_type, _ in TYPES.values()}}}


def answer_file(content: bytes | str, media_type: str, name: str) -> Response:
    """Answer with a file of this name."""
    disposition = f"attachment; filename*=UTF-8''{quote(name, safe='')}"
    return Response(content, media_type=media_type, headers={"Content-Disposition": disposition})

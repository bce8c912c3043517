"""The changes that a misbehaving vendor makes to the content of an answer."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import msgspec
from starlette.types import Scope

from include.surveillance.timespans import DAY_MS

YEAR_MS = 364 * DAY_MS
CUT_SHORT = ("cut", "truncated")


def spoil(kind: str, body: bytes, scope: Scope) -> bytes:
    """Return the body as an answer of this kind has it; the same for a kind that spoils no content."""
    if kind in CUT_SHORT:
        return body[: len(body) // 2]
    content = msgspec.json.decode(body) if kind in CHANGES else None
    if not isinstance(content, dict):
        return body
    CHANGES[kind](content, scope)
    return msgspec.json.encode(content)


def _no_results(content: dict[str, Any], scope: Scope) -> None:
    content.pop("results", None)
    content.pop("next_url", None)
    content |= {"queryCount": 0, "resultsCount": 0}


def _repeated_next_url(content: dict[str, Any], scope: Scope) -> None:
    host = dict(scope["headers"]).get(b"host", b"localhost").decode()
    content["next_url"] = f"http://{host}{scope['path']}?{scope['query_string'].decode()}"


def _duplicates(content: dict[str, Any], scope: Scope) -> None:
    content["results"] = [row for row in content.get("results", []) for _ in range(2)]


def _out_of_order(content: dict[str, Any], scope: Scope) -> None:
    content["results"] = content.get("results", [])[1::2] + content.get("results", [])[::2]


def _other_year(content: dict[str, Any], scope: Scope) -> None:
    rows = content.get("results", [])
    if rows and "t" in rows[0]:
        content["results"] = [rows[0] | {"t": rows[0]["t"] - YEAR_MS}, *rows]


def _late(content: dict[str, Any], scope: Scope) -> None:
    """Leave out the newest bar; the next answer has it."""
    rows = content.get("results", [])
    newest = max((row.get("t", 0) for row in rows), default=0)
    content["results"] = [row for row in rows if row.get("t") != newest]
    content["resultsCount"] = len(content["results"])


def _provisional(content: dict[str, Any], scope: Scope) -> None:
    """Leave out a fifth of the newest bar's volume; the next answer corrects it."""
    rows = content.get("results", [])
    newest = max((row.get("t", 0) for row in rows), default=0)
    content["results"] = [row | {"v": round(row["v"] * 0.8, 6)} if row.get("t") == newest else row for row in rows]


def _volumes(write: Callable[[Decimal], str]) -> Callable[[dict[str, Any], Scope], None]:
    """Write the same volumes in another notation."""

    def change(content: dict[str, Any], scope: Scope) -> None:
        for row in content.get("results", []):
            if "v" in row:
                row["v"] = msgspec.Raw(write(Decimal(str(row["v"]))).encode())

    return change


def _unknown_fields(content: dict[str, Any], scope: Scope) -> None:
    """Add fields that the vendor has added over the years, and some that it has not."""
    added = {"otc": False, "dv": "1.5", "decimal_volume": "1.5", "x": {"y": [None, {"z": 1e300}]}, "vendor_ms": "soon"}
    content["results"] = [row | added for row in content.get("results", [])]
    content |= added


CHANGES: dict[str, Callable[[dict[str, Any], Scope], object]] = {
    "no_results": _no_results,
    "lost_results": lambda content, _: content.pop("results", None),  # the counts stay
    "delayed": lambda content, _: content.update(status="DELAYED"),
    "lost_next_url": lambda content, _: content.pop("next_url", None),  # the chain of pages ends early
    "repeated_next_url": _repeated_next_url,
    "duplicates": _duplicates,
    "out_of_order": _out_of_order,
    "other_year": _other_year,
    "late": _late,
    "provisional": _provisional,
    "decimal_volumes": _volumes(lambda volume: f"{volume:.6f}"),
    "scientific_volumes": _volumes(lambda volume: f"{volume.normalize():e}"),
    "text_volumes": _volumes(lambda volume: f'"{volume}"'),
    "unknown_fields": _unknown_fields,
}

"""Uploads to a stage: only by the address that a session's PUT statement was given, and only while the session lasts.

fakesnow answers PUT with an address of this server in the manner of a presigned one, without a signature.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import zlib
from typing import Any
from urllib.parse import unquote, urlencode, urlsplit

import fakesnow.server as server
from fakesnow.transforms import stage
from sqlglot import exp
from starlette.requests import Request
from starlette.responses import Response

LARGEST_UPLOAD = 512 * 1024 * 1024
# Names and a password; what a compressed one expands to counts as well.
LARGEST_LOGIN = 64 * 1024
ROUTE = "/fs_bucket/{path:path}"

_KEY = secrets.token_bytes(32)
_describe = server.gcs_stage_info


class TooLargeError(Exception):
    """A request's body is larger than its limit."""


def install() -> None:
    """Let PUT statements answer with signed addresses."""
    server.gcs_stage_info = _sign_stage_info


async def upload(request: Request) -> Response:
    """The upload route: 403 without a signature of a living session for this very path, 413 beyond the limit."""
    given = request.query_params
    number = given.get("session", "")
    signature = _sign(number, request.path_params["path"])
    alive = number in {_number(token) for token in server.sessions}
    if not alive or not hmac.compare_digest(signature.encode(), given.get("signature", "").encode()):
        return Response(status_code=403)
    try:
        await read_body(request, LARGEST_UPLOAD)
    except TooLargeError:
        return Response(status_code=413)
    return await server.bucket_upload(request)


async def read_body(request: Request, limit: int) -> bytes:
    """Read a request's body and keep it for the next reader.

    Raises:
        TooLargeError: it has more than ``limit`` bytes.
    """
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > limit:
            raise TooLargeError
        parts.append(part)
    request._body = b"".join(parts)  # what Request.body() keeps as well
    return request._body


def decompress(body: bytes, limit: int) -> bytes:
    """Decompress gzip.

    Raises:
        TooLargeError: it expands to more than ``limit`` bytes.
        zlib.error: it is no gzip.
    """
    expanding = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
    whole = expanding.decompress(body, limit)
    if expanding.unconsumed_tail or not expanding.eof:
        raise TooLargeError
    return whole


def _sign_stage_info(request: Request, expr: exp.Expr, put_stage_data: stage.UploadCommandDict) -> dict[str, Any]:
    info = _describe(request, expr, put_stage_data)
    path = unquote(urlsplit(info["presignedUrl"]).path).removeprefix("/fs_bucket/")
    number = _number(server.to_token(request))
    query = urlencode({"session": number, "signature": _sign(number, path)})
    return info | {"presignedUrl": f"{info['presignedUrl']}?{query}"}


def _number(token: str) -> str:
    """Name a session without giving its token away: addresses stand in logs."""
    return hashlib.sha256(token.encode()).hexdigest()[:16]


def _sign(number: str, path: str) -> str:
    return hmac.new(_KEY, f"{number}/{path}".encode(), hashlib.sha256).hexdigest()

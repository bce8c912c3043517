"""Answers and refusals in the vendor's shape, and the parameters of a request."""

from __future__ import annotations

import base64
import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Any
from urllib.parse import parse_qsl, urlencode

import msgspec
from fastapi import Request, Response


class RefusedError(Exception):
    """A refusal with the vendor's body.

    It is an answer to a customer, not a failure of the platform: so it is no SurveillanceError.
    """

    def __init__(
        self, code: int, status: str, text: str, headers: dict[str, str] | None = None, key: str | None = None
    ):
        super().__init__(text)
        # The vendor says "error" for an ERROR and "message" for everything else; now and then it mixes them up.
        key = key or ("error" if status == "ERROR" else "message")
        self.response = answer({"status": status, "request_id": request_id(), key: text}, code, headers)


def bad_request(text: str) -> RefusedError:
    return RefusedError(400, "ERROR", text)


def request_id() -> str:
    return uuid.uuid4().hex


def answer(body: Any, code: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(msgspec.json.encode(body), code, headers, media_type="application/json")


def cursor(**state: object) -> str:
    return base64.urlsafe_b64encode(urlencode(state).encode()).decode().rstrip("=")


def parameters(request: Request) -> dict[str, str]:
    """Return the query parameters, those of a cursor included."""
    given = dict(request.query_params)
    if packed := given.pop("cursor", ""):
        try:
            text = base64.urlsafe_b64decode(packed + "=" * (-len(packed) % 4)).decode()
        except ValueError:
            raise bad_request("Invalid cursor") from None
        given |= dict(parse_qsl(text))
    return given


def whole_number(given: Mapping[str, str], name: str, default: int, maximum: int) -> int:
    """Return an integer parameter in 1..maximum.

    Raises:
        RefusedError: anything else, as the vendor refuses it.
    """
    text = given.get(name, str(default))
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= maximum:
        raise bad_request(f"'{name}' must be a whole number between 1 and {maximum}, but was '{text}'")
    return int(text)


def epoch_ms(text: str, zone: tzinfo, *, end_of_day: bool = False) -> int:
    """Turn a date, an RFC 3339 time or an epoch in s, ms, us or ns into UTC epoch milliseconds.

    Raises:
        RefusedError: none of these.
    """
    if text.isascii() and text.lstrip("-").isdigit():
        value = int(text)
        # The client sends datetimes as nanoseconds; tell the units apart by magnitude.
        for digits, per_ms in ((17, 1_000_000), (14, 1_000)):
            if len(text) >= digits:
                return value // per_ms
        return value
    try:
        if len(text) == len("2024-01-31"):
            day = date.fromisoformat(text) + timedelta(days=end_of_day)
            return int(datetime.combine(day, datetime.min.time(), zone).timestamp() * 1000) - end_of_day
        at = datetime.fromisoformat(text)
    except ValueError:
        raise bad_request(f"Could not parse the time '{text}'; use YYYY-MM-DD or a timestamp in milliseconds") from None
    return int((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1000)


def listing(
    request: Request, items: list[dict[str, Any]], *, sort: str, order: str, most: int = 1_000, count: bool = True
) -> Response:
    """Return one page of a reference list: filtered, sorted, cut at ``limit``, with the address of the next page.

    The order is in ``order``, or behind the field's name in ``sort``, as the vendor's newer lists have it.
    """
    given = parameters(request)
    limit = whole_number(given, "limit", 10, most)
    field, _, direction = given.get("sort", sort).partition(".")
    ascending = (direction or given.get("order", order)).startswith("asc")
    kept = [item for item in items if _matches(item, given)]
    kept.sort(key=lambda item: (str(item.get(field, "")), str(item["ticker"])), reverse=not ascending)
    return paged(request, kept, limit, given, count=count)


def paged(
    request: Request, items: list[dict[str, Any]], limit: int, given: Mapping[str, Any], *, count: bool = True
) -> Response:
    """Return the page of items at the given offset; the given parameters travel in the next page's address."""
    offset = int(given.get("offset", "0"))
    page = items[offset : offset + limit]
    body: dict[str, Any] = {"results": page, "status": "OK", "request_id": request_id()}
    if count:
        body["count"] = len(page)
    if offset + limit < len(items):
        state = {key: value for key, value in given.items() if key not in ("offset", "apiKey")}
        body["next_url"] = f"{address(request)}?cursor={cursor(**state, offset=offset + limit)}"
    return answer(body)


def address(request: Request) -> str:
    return str(request.url.replace(query=None))


_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "": lambda value, bound: value == bound,
    "gt": lambda value, bound: value > bound,
    "gte": lambda value, bound: value >= bound,
    "lt": lambda value, bound: value < bound,
    "lte": lambda value, bound: value <= bound,
    "any_of": lambda value, bound: value in bound.split(","),
}


def _matches(item: dict[str, Any], given: Mapping[str, str]) -> bool:
    for name, text in given.items():
        field, _, operator = name.partition(".")
        if field not in item or operator not in _COMPARE:
            continue
        value: Any = item[field]
        bound: Any = text
        if isinstance(value, bool):
            value = str(value).lower()
        elif not isinstance(value, str):
            bound = _number(name, text)
        if not _COMPARE[operator](value, bound):
            return False
    return True


def _number(name: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise bad_request(f"'{name}' must be a number, but was '{text}'") from None

"""Makes one call to the vendor: says when it may go out, bounds the answer, compares clocks, judges the status."""

from __future__ import annotations

import logging
import re
import time
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

import msgspec
from urllib3 import BaseHTTPResponse, HTTPHeaderDict, PoolManager, Retry, Timeout
from urllib3.exceptions import InvalidHeader

from include.surveillance.errors import (
    ConfigurationError,
    EndpointEndedError,
    RateLimitedError,
    SurveillanceError,
    UnknownTickerError,
    VendorError,
    VendorUnavailableError,
)
from include.surveillance.polygon.pace import Pace
from include.surveillance.texts import one_line
from include.surveillance.timespans import write_utc

if TYPE_CHECKING:  # Redis and its limits load only where a plan has a limit
    from include.surveillance.polygon.rate_limit import RateLimit

LOG = logging.getLogger(__name__)
# urllib3 waits so long for each part of an answer; a body that comes in drops has endlessly many.
PARTS = 3
PART_BYTES = 65_536
# The largest page of bars has about seven million.
LARGEST_ANSWER_BYTES = 100_000_000
# So many calls at a time keep their connections for the next ones.
CONNECTIONS = 64
# Clocks differ: what is worth a word, and what puts bars into the wrong minute.
CLOCK_WARNING_SECONDS, CLOCK_ERROR_SECONDS = 5.0, 60.0

# Polygon calls itself Massive now; its keys, addresses and answers are the same.
FIX_KEY = (
    "put a valid key into POLYGON_API_KEY (or MASSIVE_API_KEY) in .env, which with Docker and on one machine wins over "
    "what Airflow's UI shows, elsewhere into the password of Airflow connection polygon_default"
)
FIX_URL = (
    "correct POLYGON_BASE_URL (or MASSIVE_BASE_URL), the host of Airflow connection polygon_default, or the network"
)
TICKER_IN_PATH, INSTRUMENT_IN_PATH, NOT_FOUND = "/ticker/", "/tickers/", b"NOT_FOUND"


class Answer(NamedTuple):
    """An answer with its whole body. ``vendor_ms`` is the latest that the vendor's clock can have shown, if known."""

    status: int
    headers: HTTPHeaderDict
    data: bytes
    vendor_ms: int | None = None


class Transport(PoolManager):
    """Takes the place of the official client's connections, so that status and headers of each answer are seen.

    Threads may share it.

    Every call raises, besides urllib3's errors:
        VendorError, VendorUnavailableError, RateLimitedError: an answer other than 200, see ``refusal``.
        VendorUnavailableError: the answer takes longer than three times ``timeout_seconds``, or has no end.
        RateLimitedError: no call is free.
        ConfigurationError: this machine's clock is off by more than a minute.
    """

    def __init__(self, *, timeout_seconds: float, rate_limit: RateLimit | None, pace: Pace | None, **pool: Any):
        timeout = Timeout(connect=timeout_seconds, read=timeout_seconds)
        super().__init__(**pool | {"timeout": timeout, "retries": False, "maxsize": CONNECTIONS})
        self._answer_seconds, self._rate_limit, self._pace = PARTS * timeout_seconds, rate_limit, pace

    # The official client looks at the status and the data only, which an Answer has, too.
    def request(self, *args: Any, **kwargs: Any) -> Answer:  # type: ignore[override]
        if self._rate_limit:
            self._rate_limit.count_call()
        if self._pace:
            self._pace.wait()
        sent, started = time.time(), time.monotonic()
        response = super().request(*args, redirect=False, preload_content=False, **kwargs)
        received, shown = time.time(), _date(response)
        body = self._body(response, started + self._answer_seconds)
        if shown:
            _compare_clocks(shown.timestamp(), sent, received)
        # The header is cut to the second.
        vendor_ms = int(shown.timestamp() * 1000) + 999 if shown else None
        answer = Answer(response.status, response.headers, body, vendor_ms)
        if answer.status != 200:
            raise refusal(answer, urlsplit(args[1]).path)
        return answer

    def _body(self, response: BaseHTTPResponse, deadline: float) -> bytes:
        body = bytearray()
        while part := response.read1(PART_BYTES):
            body += part
            if time.monotonic() > deadline or len(body) > LARGEST_ANSWER_BYTES:
                response.close()
                raise VendorUnavailableError(
                    f"Polygon's answer had no end after {len(body)} bytes; allowed are {self._answer_seconds:g} s and "
                    f"{LARGEST_ANSWER_BYTES} bytes; it is worth another try later"
                )
        response.release_conn()
        return bytes(body)


def _date(response: BaseHTTPResponse) -> datetime | None:
    try:
        shown = parsedate_to_datetime(response.headers.get("Date", ""))
    except (ValueError, OverflowError):
        return None
    return shown if shown.tzinfo else shown.replace(tzinfo=UTC)


def _compare_clocks(shown: float, sent: float, received: float) -> None:
    """Warn or raise when the clocks differ.

    Args:
        shown: by the vendor's clock, cut to the second, at a time between ``sent`` and ``received`` of ours.
    """
    ahead, behind = sent - shown - 1, shown - received
    off, how = max((ahead, "ahead of"), (behind, "behind"))
    if off <= CLOCK_WARNING_SECONDS:
        return
    said = (
        f"this machine's clock is {off:.0f} s {how} Polygon's: it shows {write_utc(received * 1_000)}, "
        f"Polygon's {write_utc(shown * 1_000)}; "
        "set it right, e.g. with NTP, because bars are asked for and judged by it"
    )
    if off > CLOCK_ERROR_SECONDS:
        raise ConfigurationError(said)
    LOG.warning(said)


def refusal(answer: Answer, path: str) -> SurveillanceError:
    """Make the error for an answer other than 200 to a question at ``path``."""
    said = f"{answer.status}: {_reason(answer.data)}"
    match answer.status:
        case 401:
            return VendorError(f"Polygon refused the API key ({said}); {FIX_KEY}")
        case 400 if "API Key" in said:
            return VendorError(f"Polygon got no API key ({said}); {FIX_KEY}")
        case 403:
            return EndpointEndedError(
                f"this key is not entitled to the request ({said}); check this machine's clock first, because Polygon "
                f"refuses times in its future like this, and its clock shows {answer.headers.get('Date', 'nothing')}; "
                "else take a plan that includes the request, or ask for a time within the plan's history"
            )
        # Every other question is for all tickers: what is missing is the question itself.
        case 404 | 410 if TICKER_IN_PATH not in path and not _is_unknown(answer, path):
            return EndpointEndedError(
                f"Polygon has ended {excerpt(path.encode())}, or the address is not its own ({said}); look whether a "
                f"newer version of this platform asks elsewhere, and {FIX_URL}"
            )
        case 404 | 410:
            return UnknownTickerError(
                f"Polygon does not know what was asked for ({said}); check ticker and base address"
            )
        case 429:
            return RateLimitedError(
                f"Polygon's rate limit is reached ({said}); watch fewer symbols or take a plan with more calls",
                _retry_after(answer),
            )
        case code if code == 408 or code >= 499:
            return VendorUnavailableError(
                f"Polygon has a problem of its own ({said}); it is worth another try later", _retry_after(answer)
            )
        case _:
            return VendorError(f"Polygon refused the request ({said})")


def _is_unknown(answer: Answer, path: str) -> bool:
    """Tell an instrument that the vendor does not know from a question that it has ended: it says NOT_FOUND then."""
    return INSTRUMENT_IN_PATH in path and NOT_FOUND in answer.data


def _reason(body: bytes) -> str:
    """Find what the vendor says, under ``error`` or ``message``; it uses both."""
    try:
        said = msgspec.json.decode(body)
        body = str(said.get("error") or said.get("message") or said).encode(errors="replace")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, AttributeError):
        pass
    return excerpt(body)


def excerpt(body: bytes) -> str:
    """Cut the beginning of a body; an API key in an address is left out."""
    shown = re.sub(r"(?i)(apikey=)[^&\s\"']+", r"\1***", body[:1_000].decode(errors="replace"))
    return one_line(shown, 160) or "(empty)"


def _retry_after(answer: Answer) -> float | None:
    hint = answer.headers.get("Retry-After")
    try:
        return None if hint is None else Retry().parse_retry_after(hint)
    except (InvalidHeader, ValueError, OverflowError):
        return None

"""Poll: the vendor's official client, made to show what it hides.

The client itself drops the status ``DELAYED``, turns unusable bodies into empty lists, loses status codes and
Retry-After, and ignores its read timeout. Here it builds the requests; pages are read, followed and judged by us.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from urllib.parse import urlsplit

import msgspec
from polygon import RESTClient
from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_before_delay, wait_exponential_jitter
from urllib3 import BaseHTTPResponse, PoolManager, Timeout
from urllib3.exceptions import HTTPError

from .errors import ConfigurationError, RateLimitedError, VendorUnavailableError
from .models import Timespan
from .refusals import FIX_KEY, FIX_URL, excerpt, refusal

MULTIPLIER: dict[Timespan, tuple[int, str]] = {
    "minute": (1, "minute"),
    "5minute": (5, "minute"),
    "15minute": (15, "minute"),
    "hour": (1, "hour"),
    "day": (1, "day"),
}
BARS_PER_PAGE = 50_000
ITEMS_PER_PAGE = 1_000
# The smallest plan allows five calls a minute.
RATE_LIMIT_WAIT_SECONDS = 13.0


@dataclass(frozen=True)
class Payload:
    """What the vendor answered to one question, page after page.

    ``results`` are the JSON texts exactly as received, in the vendor's order. The question was for
    [from_ms, to_ms), where it had a time, and for ``symbols``, where it had any.
    """

    results: tuple[bytes, ...]
    polled_ms: int
    status: str = "OK"  # DELAYED when any page said so
    request_ids: tuple[str, ...] = ()
    symbols: tuple[str, ...] = ()
    timespan: Timespan | None = None
    from_ms: int = 0
    to_ms: int = 0


class _Page(msgspec.Struct):
    status: str | None = None
    request_id: str | None = None
    results: list[msgspec.Raw] | None = None
    count: int | None = msgspec.field(name="resultsCount", default=None)
    next_url: str | None = None


class Polygon:
    """One connection to the vendor.

    Args:
        api_key: the vendor's key.
        base_url: scheme, host and port.
        timeout_seconds: how long to wait for a connection, and for each part of an answer.
        patience_seconds: how long to go on when the vendor is busy or broken before giving up.

    Every call raises:
        VendorError: refused for good (key, entitlement, unknown path); retrying does not help.
        RateLimitedError: still too many requests when the patience was over.
        VendorUnavailableError: unreachable, 5xx or unusable answers until the patience was over.
    """

    def __init__(
        self,
        api_key: str,
        base_url: str = "https://api.polygon.io",
        *,
        timeout_seconds: float = 10.0,
        patience_seconds: float = 45.0,
    ):
        if not api_key:
            raise ConfigurationError(f"there is no Polygon API key; {FIX_KEY}")
        if urlsplit(base_url).scheme not in ("http", "https") or not urlsplit(base_url).hostname:
            raise ConfigurationError(f"{base_url!r} is no address like https://api.polygon.io; {FIX_URL}")
        self.base_url = base_url.rstrip("/")
        self._client = RESTClient(api_key, base=self.base_url)
        pool = self._client.client.connection_pool_kw
        timeout = Timeout(connect=timeout_seconds, read=timeout_seconds)
        self._client.client = _Pool(headers=self._client.headers, **pool | {"timeout": timeout, "retries": False})
        self._retrying = Retrying(
            retry=retry_if_exception_type(VendorUnavailableError),
            wait=_wait,
            stop=stop_before_delay(patience_seconds),
            reraise=True,
        )

    def check(self) -> None:
        """Ask something cheap, once: raises at once when address or key are wrong."""
        self._page(partial(self._client.get_market_status, raw=True))

    def bars(self, symbol: str, timespan: Timespan, from_ms: int, to_ms: int) -> Payload:
        """Unadjusted bars that start in [from_ms, to_ms), oldest first; the vendor widens the range to whole bars."""
        ask = partial(
            self._client.list_aggs,
            symbol,
            *MULTIPLIER[timespan],
            from_=from_ms,
            to=to_ms - 1,
            adjusted=False,
            sort="asc",
            limit=BARS_PER_PAGE,
            raw=True,
        )
        return self._payload(ask, symbols=(symbol,), timespan=timespan, from_ms=from_ms, to_ms=to_ms)

    def news(self, from_ms: int, to_ms: int) -> Payload:
        """Articles of all tickers published in [from_ms, to_ms), oldest first, to the second."""
        ask = partial(
            self._client.list_ticker_news,
            published_utc_gte=_rfc3339(from_ms),
            published_utc_lt=_rfc3339(to_ms + 999),
            sort="published_utc",
            order="asc",
            limit=ITEMS_PER_PAGE,
            raw=True,
        )
        return self._payload(ask, from_ms=from_ms, to_ms=to_ms)

    def instruments(self, symbols: Sequence[str]) -> Payload:
        """Reference data of the tickers from the first to the last symbol in alphabetical order."""
        ask = partial(
            self._client.list_tickers,
            ticker_gte=min(symbols),
            ticker_lte=max(symbols),
            market="stocks",
            sort="ticker",
            order="asc",
            limit=ITEMS_PER_PAGE,
            raw=True,
        )
        return self._payload(ask, symbols=tuple(symbols))

    def splits(self, since_date: str) -> Payload:
        """Splits of all tickers executed on or after ``since_date`` (YYYY-MM-DD), announced ones included."""
        ask = partial(
            self._client.list_splits,
            execution_date_gte=since_date,
            sort="execution_date",
            order="asc",
            limit=ITEMS_PER_PAGE,
            raw=True,
        )
        return self._payload(ask)

    def dividends(self, since_date: str) -> Payload:
        """Cash dividends of all tickers with an ex-date on or after ``since_date``, announced ones included."""
        ask = partial(
            self._client.list_dividends,
            ex_dividend_date_gte=since_date,
            sort="ex_dividend_date",
            order="asc",
            limit=ITEMS_PER_PAGE,
            raw=True,
        )
        return self._payload(ask)

    def _payload(self, ask: Callable[[], BaseHTTPResponse], **question) -> Payload:
        pages = list(self._pages(ask))
        return Payload(
            results=tuple(bytes(result) for page in pages for result in page.results or ()),
            polled_ms=int(time.time() * 1000),
            status="DELAYED" if any(page.status == "DELAYED" for page in pages) else "OK",
            request_ids=tuple(page.request_id for page in pages if page.request_id),
            **question,
        )

    def _pages(self, ask: Callable[[], BaseHTTPResponse]) -> Iterator[_Page]:
        followed = set()
        while True:
            page = self._retrying(self._results_page, ask)
            yield page
            if not page.next_url:
                return
            if page.next_url in followed:
                raise VendorUnavailableError(f"Polygon goes round in circles: {page.next_url} came twice as next page")
            followed.add(page.next_url)
            ask = partial(self._follow, page.next_url)

    def _follow(self, next_url: str) -> BaseHTTPResponse:
        # As the official client does: the path counts, the host stays the one that was configured.
        target = urlsplit(next_url)._replace(scheme="", netloc="").geturl()
        return self._client.client.request("GET", self.base_url + target, headers=self._client.headers)

    def _results_page(self, ask: Callable[[], BaseHTTPResponse]) -> _Page:
        page = self._page(ask)
        if page.status not in ("OK", "DELAYED"):
            raise VendorUnavailableError(f"Polygon answered 200 with status {page.status!r}; expected OK or DELAYED")
        if len(page.results or ()) < (page.count or 0):
            raise VendorUnavailableError(
                f"Polygon announced {page.count} results and sent {len(page.results or ())}; the answer was cut"
            )
        return page

    def _page(self, ask: Callable[[], BaseHTTPResponse]) -> _Page:
        try:
            body = ask().data
        except HTTPError as error:
            raise VendorUnavailableError(f"Polygon at {self.base_url} is not reachable: {error}; {FIX_URL}") from error
        try:
            return msgspec.json.decode(body, type=_Page)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise VendorUnavailableError(f"Polygon sent an unusable body ({error}): {excerpt(body)}") from error


class _Pool(PoolManager):
    """Judges an answer while its status and headers can still be seen."""

    def request(self, *args, **kwargs) -> BaseHTTPResponse:
        response = super().request(*args, **kwargs)
        if response.status != 200:
            raise refusal(response)
        return response


_backoff = wait_exponential_jitter(initial=0.5, max=10.0, jitter=0.5)


def _wait(state: RetryCallState) -> float:
    error = state.outcome.exception()
    if isinstance(error, RateLimitedError):
        return RATE_LIMIT_WAIT_SECONDS if error.retry_after is None else error.retry_after
    return _backoff(state)


def _rfc3339(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

"""Asks the vendor: its official client, made to show what that hides.

The client itself drops the status ``DELAYED``, turns unusable bodies into empty lists, loses status codes and
Retry-After, and ignores its read timeout. Here it builds the requests; ``transport`` makes the calls, ``pages`` follows
and judges the answers.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from copy import copy
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from tenacity import stop_before_delay

from include.surveillance.errors import ConfigurationError, EndpointEndedError, SurveillanceError, UnknownTickerError
from include.surveillance.polygon.official import Package, new_official_client
from include.surveillance.polygon.pace import Pace
from include.surveillance.polygon.pages import Page, Pages, Single, Snapshot
from include.surveillance.polygon.transport import FIX_KEY, FIX_URL, Answer, Transport
from include.surveillance.timespans import Timespan, now_ms, write_utc

if TYPE_CHECKING:  # Redis and its limits load only where a plan has a limit
    from include.surveillance.polygon.rate_limit import RateLimit

LOG = logging.getLogger(__name__)
MULTIPLIER: dict[Timespan, tuple[int, str]] = {
    "minute": (1, "minute"),
    "5minute": (5, "minute"),
    "15minute": (15, "minute"),
    "hour": (1, "hour"),
    "day": (1, "day"),
}
BARS_PER_PAGE = 50_000
ITEMS_PER_PAGE = 1_000
ACTIONS_PER_PAGE = 5_000
# Calls at a time: at 50 ms an answer these could be 600 calls a second, more than one core can normalise; how many
# may be is what ``pace`` says.
IN_FLIGHT = 32


@dataclass(frozen=True)
class Payload:
    """What the vendor answered to one question, page after page.

    ``results`` are the JSON texts exactly as received, in the vendor's order. The question was for
    [from_ms, to_ms), where it had a time, for bars of ``timespan``, and for ``symbols``, where it had any.
    """

    results: tuple[bytes, ...]
    polled_ms: int
    status: str = "OK"  # DELAYED when any page said so
    request_ids: tuple[str, ...] = ()
    symbols: tuple[str, ...] = ()
    timespan: Timespan = ""
    from_ms: int = 0
    to_ms: int = 0


class Polygon:
    """Asks the vendor. Threads may share one, and it keeps its connections: one per process is enough.

    Args:
        api_key: the vendor's key.
        base_url: scheme, host and port.
        timeout_seconds: how long to wait for a connection, and for each part of an answer; three times as long for
            the whole of it.
        patience_seconds: how long to go on with a page when the vendor is busy or broken before giving up.
        rate_limit: counts every call, each page is one; None for a plan without a limit.
        pace: how many calls go out in any second, those beyond wait; None for no limit.
        package: which of the vendor's packages builds the requests.

    Every call raises:
        VendorError: refused for good (key, entitlement, unknown path); retrying does not help.
        RateLimitedError: still too many requests when the patience was over.
        VendorUnavailableError: unreachable, 5xx or unusable answers until the patience was over.
        ConfigurationError: this machine's clock is off by more than a minute.
    """

    def __init__(
        self,
        api_key: str,
        base_url: str = "https://api.polygon.io",
        *,
        timeout_seconds: float = 10.0,
        patience_seconds: float = 45.0,
        rate_limit: RateLimit | None = None,
        pace: Pace | None = None,
        package: Package = "polygon",
    ):
        # Whoever pastes an address or a key may paste a space with it.
        api_key, base_url = api_key.strip(), base_url.strip()
        if not api_key:
            raise ConfigurationError(f"there is no Polygon API key; {FIX_KEY}")
        if urlsplit(base_url).scheme not in ("http", "https") or not urlsplit(base_url).hostname:
            raise ConfigurationError(f"{base_url!r} is no address like https://api.polygon.io; {FIX_URL}")
        self._client = new_official_client(package, api_key, base_url.rstrip("/"))
        pool, headers = self._client.client.connection_pool_kw, self._client.headers
        self._client.client = Transport(
            timeout_seconds=timeout_seconds, rate_limit=rate_limit, pace=pace, headers=headers, **pool
        )
        self._patience_seconds = patience_seconds
        self._pages = Pages(self._client, stop_before_delay(patience_seconds))

    def sharing_patience(self) -> Polygon:
        """Return a client with the same connections whose questions together have the patience of one, from now on.

        When it is over, each is still asked once.
        """
        deadline, shared = time.monotonic() + self._patience_seconds, copy(self)
        shared._pages = Pages(self._client, lambda state: time.monotonic() + state.upcoming_sleep >= deadline)
        return shared

    def check(self) -> None:
        """Ask something cheap, once: raises at once when address or key are wrong."""
        self._pages.ask_once(partial(self._client.get_market_status, raw=True))

    def bars(self, symbol: str, timespan: Timespan, from_ms: int, to_ms: int) -> Payload:
        """Ask for unadjusted bars that start in [from_ms, to_ms), oldest first; the range is widened to whole bars."""
        ask = partial(
            self._client.list_aggs,
            _path_segment(symbol),
            *MULTIPLIER[timespan],
            from_=from_ms,
            to=to_ms - 1,
            adjusted=False,
            sort="asc",
        )
        return self._payload(ask, BARS_PER_PAGE, symbols=(symbol,), timespan=timespan, from_ms=from_ms, to_ms=to_ms)

    def snapshot(self, to_ms: int = 0) -> Payload:
        """Ask for every ticker's newest minute bar in one answer, until ``to_ms`` is over by the vendor's clock.

        ``results`` are the vendor's tickers; one without a trade today may be missing. It goes back no further than
        that minute.
        """
        ask = partial(self._client.get_snapshot_all, "stocks", raw=True)
        return self._received(self._pages.read(ask, to_ms=to_ms, shape=Snapshot), to_ms=to_ms)

    def news(self, from_ms: int, to_ms: int) -> Payload:
        """Ask for articles of all tickers published in [from_ms, to_ms), oldest first, to the second."""
        ask = partial(
            self._client.list_ticker_news,
            published_utc_gte=write_utc(from_ms),
            published_utc_lt=write_utc(to_ms + 999),
            sort="published_utc",
            order="asc",
        )
        return self._payload(ask, ITEMS_PER_PAGE, from_ms=from_ms, to_ms=to_ms)

    def instruments(self, symbols: Sequence[str]) -> Payload:
        """Ask for reference data of the active tickers from the first to the last symbol in alphabetical order."""
        first, last = min(symbols), max(symbols)
        ask = partial(
            self._client.list_tickers, ticker_gte=first, ticker_lte=last, market="stocks", sort="ticker", order="asc"
        )
        return self._payload(ask, ITEMS_PER_PAGE, symbols=tuple(symbols))

    def delisted(self, symbol: str) -> Payload:
        """Ask for reference data of the instruments that have had this ticker and are traded no more."""
        ask = partial(self._client.list_tickers, ticker=symbol, market="stocks", active=False)
        return self._payload(ask, ITEMS_PER_PAGE, symbols=(symbol,))

    def ticker_events(self, identifier: str) -> Payload:
        """Ask for all tickers that an instrument has had.

        Args:
            identifier: its composite FIGI or, of who has it now, its ticker.

        Returns:
            One result: name, composite FIGI and ``events``. None where the vendor knows nothing of it.
        """
        ask = partial(self._client.get_ticker_events, _path_segment(identifier), types="ticker_change", raw=True)
        try:
            return self._received(self._pages.read(ask, to_ms=0, shape=Single))
        except UnknownTickerError:
            return Payload((), now_ms())

    def splits(self, since_date: str) -> Payload:
        """Ask for splits of all tickers executed on or after ``since_date`` (YYYY-MM-DD), announced ones included."""
        return self._actions("splits", "execution_date", since_date)

    def dividends(self, since_date: str) -> Payload:
        """Ask for cash dividends of all tickers with an ex-date on or after ``since_date``, announced ones included."""
        return self._actions("dividends", "ex_dividend_date", since_date)

    def _actions(self, name: str, date: str, since_date: str) -> Payload:
        """Ask for corporate actions, oldest first; where the vendor has them no more or not for this key, at their
        older place."""
        newer = {f"{date}.gte": since_date, "sort": f"{date}.asc", "limit": str(ACTIONS_PER_PAGE)}
        try:
            return self._listed(f"/stocks/v1/{name}", newer, ACTIONS_PER_PAGE)
        except EndpointEndedError as error:
            older = {f"{date}.gte": since_date, "sort": date, "order": "asc", "limit": str(ITEMS_PER_PAGE)}
            try:
                payload = self._listed(f"/v3/reference/{name}", older, ITEMS_PER_PAGE)
            except EndpointEndedError as neither:
                raise error from neither
            LOG.warning(
                "%s come from the vendor's older list /v3/reference/%s, which is going to end, because: %s",
                name, name, error,
            )  # fmt: skip
            return payload

    def _listed(self, path: str, asked: dict[str, str], limit: int) -> Payload:
        """Ask for a list for which the frozen official client has no function."""
        ask = partial(
            self._client.client.request, "GET", self._client.BASE + path, fields=asked, headers=self._client.headers
        )
        return self._received(self._pages.read(ask, limit=limit, to_ms=0))

    def _payload(self, ask: Callable[..., Answer], limit: int, **question: Any) -> Payload:
        ask = partial(ask, limit=limit, raw=True)
        return self._received(self._pages.read(ask, limit=limit, to_ms=question.get("to_ms", 0)), **question)

    def _received(self, read: Iterator[Page], **question: Any) -> Payload:
        pages = list(read)
        return Payload(
            results=tuple(bytes(result) for page in pages for result in page.results or ()),
            polled_ms=now_ms(),
            status="DELAYED" if any(page.status == "DELAYED" for page in pages) else "OK",
            request_ids=tuple(page.request_id for page in pages if page.request_id),
            **question,
        )


def _path_segment(word: str) -> str:
    """Quote a word so that it stays one segment of a path, whatever is in it."""
    # Nothing else asks a path to go up.
    return word.replace(".", "%2E") if set(word) == {"."} else quote(word, safe="")


def poll_each(
    polygon: Polygon, symbols: Sequence[str], timespans: Sequence[Timespan], from_ms: int, to_ms: int
) -> Iterator[tuple[str, list[Payload] | SurveillanceError]]:
    """Yield each symbol, in the order given, with a payload per timespan or with the error of the first that failed.

    All have the patience of one question together: while the vendor is down, a group is given up as soon as a symbol.

    Raises:
        ConfigurationError: this machine's clock is off; no symbol could do better.
    """
    polygon = polygon.sharing_patience()

    def poll(symbol: str) -> list[Payload] | SurveillanceError:
        try:
            return [polygon.bars(symbol, timespan, from_ms, to_ms) for timespan in timespans]
        except ConfigurationError:
            raise
        except SurveillanceError as error:
            return error

    # What a call logs belongs to whoever asked for the group.
    asking = copy_context()
    with ThreadPoolExecutor(IN_FLIGHT, thread_name_prefix="poll") as pool:
        yield from zip(symbols, pool.map(lambda symbol: asking.copy().run(poll, symbol), symbols), strict=True)

"""Reads the vendor's pages: judges each, tries again while patience lasts, follows them to the last."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from math import inf
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import msgspec
from tenacity import RetryCallState, Retrying, retry_if_exception_type, wait_exponential_jitter
from tenacity.stop import StopBaseT
from urllib3.exceptions import HTTPError

from include.surveillance.errors import RateLimitedError, VendorError, VendorUnavailableError
from include.surveillance.polygon.official import HOSTS
from include.surveillance.polygon.transport import FIX_URL, Answer, excerpt
from include.surveillance.timespans import now_ms, write_utc

if TYPE_CHECKING:
    from include.surveillance.polygon.official import OfficialClient

# The smallest plan allows five calls a minute.
RATE_LIMIT_WAIT_SECONDS = 13.0


class Page(msgspec.Struct):
    """One page as the vendor sent it: ``results`` are absent when there are none."""

    status: str | None = None
    request_id: str | None = None
    results: list[msgspec.Raw] | None = None
    count: int | None = msgspec.field(name="resultsCount", default=None)
    next_url: str | None = None
    error: object = None
    message: object = None


class Snapshot(Page):
    """A snapshot of the market: one page, which has other names for the same."""

    results: list[msgspec.Raw] | None = msgspec.field(name="tickers", default=None)
    count: int | None = msgspec.field(name="count", default=None)


class Single(Page):
    """One object where other answers have a list."""

    results: Any = msgspec.field(name="results", default=None)

    def __post_init__(self) -> None:
        self.results = None if self.results is None else [msgspec.Raw(msgspec.json.encode(self.results))]


class Pages:
    """Reads pages through the official client, whose connections are a ``Transport``.

    Args:
        client: builds the requests; its base URL is where next pages are fetched, too.
        stop: when to give a page up.
    """

    def __init__(self, client: OfficialClient, stop: StopBaseT):
        self._client = client
        self._hosts = {urlsplit(client.BASE).hostname, *HOSTS}
        retry = retry_if_exception_type(VendorUnavailableError)
        self._retrying = Retrying(retry=retry, wait=_wait, stop=stop, reraise=True)

    def read(
        self, ask: Callable[[], Answer], *, to_ms: int, limit: float = inf, shape: type[Page] = Page
    ) -> Iterator[Page]:
        """Read the page that ``ask`` fetches and all that follow; ``limit`` results fill one, bars end by ``to_ms``."""
        followed: set[str] = set()
        while True:
            page = self._retrying(self._ask_for_results, ask, to_ms, shape)
            if not page.next_url and len(page.results or ()) >= limit:
                # Full, and yet the last one? It may have lost the way to the next: asked again, and then believed.
                page = self._retrying(self._ask_for_results, ask, to_ms, shape)
            yield page
            if not page.next_url:
                return
            target = self._next_target(page.next_url)
            if target in followed:
                raise VendorUnavailableError(f"Polygon goes round in circles: {_shown(target)} came twice as next page")
            followed.add(target)
            address, headers = self._client.BASE + target, self._client.headers
            ask = partial(self._client.client.request, "GET", address, headers=headers)

    def ask_once(self, ask: Callable[[], Answer], to_ms: int = 0, shape: type[Page] = Page) -> Page:
        """Ask for a page once, and judge only whether it is one."""
        try:
            answer = ask()
        except HTTPError as error:
            raise VendorUnavailableError(
                f"Polygon at {self._client.BASE} is not reachable: {error}; {FIX_URL}"
            ) from error
        _check_is_over(to_ms, answer)
        try:
            return msgspec.json.decode(answer.data, type=shape)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise VendorUnavailableError(f"Polygon sent an unusable body ({error}): {excerpt(answer.data)}") from error

    def _next_target(self, next_url: str) -> str:
        """Return path and query of the next page, which is asked for where the first one was.

        The vendor has two names, and whoever asks one of them, or something between, may be shown the other. The key
        travels as a header; were it in the address too, libraries and errors would write it into logs.
        """
        try:
            address = urlsplit(next_url)
        except ValueError as error:
            raise VendorUnavailableError(f"Polygon names an address as next page that is none ({error})") from error
        if address.netloc and address.hostname not in self._hosts:
            raise VendorError(
                f"Polygon names {_shown(address.hostname)} as the host of the next page, and not one of "
                f"{', '.join(sorted(filter(None, self._hosts)))}; nothing was asked of it: look what answers at "
                f"{self._client.BASE}, and {FIX_URL}"
            )
        query = "&".join(part for part in address.query.split("&") if not part.lower().startswith("apikey="))
        # One slash: what else a path begins with could become part of the host.
        return "/" + address._replace(scheme="", netloc="", query=query).geturl().lstrip("/")

    def _ask_for_results(self, ask: Callable[[], Answer], to_ms: int, shape: type[Page]) -> Page:
        page = self.ask_once(ask, to_ms, shape)
        if page.status not in ("OK", "DELAYED"):
            raise VendorUnavailableError(
                f"Polygon answered 200 with status {_shown(page.status)!r} ({_shown(page.error or page.message)}); "
                "expected OK or DELAYED"
            )
        sent = len(page.results or ())
        if sent < (page.count or 0):
            raise VendorUnavailableError(f"Polygon announced {page.count} results and sent {sent}; the answer was cut")
        return page


def _shown(said: object) -> str:
    return excerpt(str(said).encode(errors="replace"))


def _check_is_over(to_ms: int, answer: Answer) -> None:
    """Wait for bars of a time that is over by our clock and not by the vendor's: they still grow."""
    ours_ms, vendor_ms = now_ms(), answer.vendor_ms
    if vendor_ms is not None and vendor_ms < to_ms <= ours_ms:
        raise VendorUnavailableError(
            f"bars until {write_utc(to_ms)} are not whole yet by Polygon's clock: it shows {write_utc(vendor_ms)} and "
            f"this machine's {write_utc(ours_ms)}; set that right, e.g. with NTP",
            retry_after=(to_ms - vendor_ms) / 1000,
        )


_backoff = wait_exponential_jitter(initial=0.5, max=10.0, jitter=0.5)


def _wait(state: RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    hint = error.retry_after if isinstance(error, VendorUnavailableError) else None
    if hint is None and isinstance(error, RateLimitedError):
        return RATE_LIMIT_WAIT_SECONDS
    # A hint of 0 s is no leave to ask without a pause.
    return max(hint or 0.0, _backoff(state))

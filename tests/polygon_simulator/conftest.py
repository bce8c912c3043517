"""A simulator on a real port with a clock that the test sets."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from polygon import RESTClient

from include.polygon_simulator.market import Market, crowded, synthetic_market
from include.polygon_simulator.server import create_app
from tests.polygon_simulator import serving
from tests.polygon_simulator.constants import CROWD, DAY, KEY, LAST_HOUR, NOON


@dataclass
class Clock:
    """A clock that the test sets."""

    now_ms: int = NOON

    def __call__(self) -> int:
        return self.now_ms


@dataclass
class Served:
    """A running simulator and ways to talk to it."""

    url: str
    market: Market
    clock: Clock
    http: httpx.Client

    def client(self, **options: object) -> RESTClient:
        return RESTClient(KEY, base=self.url, **options)

    def get(self, path: str, **parameters: object) -> httpx.Response:
        return self.http.get(path, params=parameters)

    def misbehave(self, kind: str, **more: object) -> None:
        self.http.post("/simulator/misbehave", json={"kind": kind, **more}).raise_for_status()


@pytest.fixture(scope="module")
def serve() -> Iterator[Callable[..., Served]]:
    """Starts simulators; each stops at the end of the module."""
    with ExitStack() as started:

        def start(market: Market, clock: Clock, calls_per_minute: int = 0) -> Served:
            url = started.enter_context(serving.serve(create_app(market, KEY, calls_per_minute)))
            http = httpx.Client(base_url=url, headers={"Authorization": f"Bearer {KEY}"}, timeout=30)
            return Served(url, market, clock, started.enter_context(http))

        yield start


@pytest.fixture(scope="module")
def served(serve: Callable[..., Served]) -> Served:
    """The generated market at noon UTC, watched since midnight."""
    clock = Clock()
    return serve(synthetic_market(7, "24/7", 24, NOON - DAY // 2, clock=clock), clock)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def listed(tmp_path: Path) -> Path:
    """A file of many symbols, one of which the usual market has too."""
    file = tmp_path / "universe.csv"
    file.write_text("name,ticker\n" + "".join(f"Company {symbol},{symbol}\n" for symbol in (*CROWD, "NA", "AAPL")))
    return file


@pytest.fixture
def market(listed: Path, clock: Clock) -> Market:
    """The generated market with the crowd beside it."""
    return crowded(synthetic_market(7, "24/7", 24, clock=clock), listed)


@pytest.fixture
def well_behaved(served: Served) -> Iterator[None]:
    """Whatever a test has ordered ends with it."""
    yield
    served.http.delete("/simulator/misbehave").raise_for_status()


@pytest.fixture
def good(served: Served) -> list[dict[str, float]]:
    """The last hour's bars, as they are when nothing goes wrong."""
    return served.get(LAST_HOUR).json()["results"]


@pytest.fixture
def client(served: Served) -> RESTClient:
    """The vendor's own client; nothing but its base is changed."""
    return served.client()

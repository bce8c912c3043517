"""Poll and normalise against each misbehaviour: the right bars after the trouble, or the right error; nothing lost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from types import SimpleNamespace

import pytest
from msgspec.structs import replace

from include.polygon_simulator.misbehaviour import KINDS
from include.surveillance import normalise
from include.surveillance.errors import (
    ConfigurationError,
    EndpointEndedError,
    RateLimitedError,
    VendorError,
    VendorUnavailableError,
)
from include.surveillance.polygon.client import Polygon
from include.surveillance.records import Bar, Reject, Watermark
from tests.polygon_simulator.constants import KEY, MINUTE, NOON

FROM = NOON - 60 * MINUTE
FOREVER = 99


@pytest.fixture(autouse=True)
def waits(monkeypatch, served) -> Iterator[list[float]]:
    """What the poller would have slept."""
    slept: list[float] = []
    monkeypatch.setattr("tenacity.nap.time", SimpleNamespace(sleep=slept.append))
    yield slept
    served.http.delete("/simulator/misbehave").raise_for_status()


@pytest.fixture
def polygon(served) -> Polygon:
    return Polygon(KEY, served.url, timeout_seconds=0.2, patience_seconds=15)


@pytest.fixture
def hasty(served) -> Polygon:
    """Gives up before the third pause."""
    return Polygon(KEY, served.url, timeout_seconds=0.2, patience_seconds=2)


def poll(polygon: Polygon, symbol: str = "MSFT", to_ms: int = NOON) -> list[Bar | Reject | Watermark]:
    """What one poll publishes, without the time at which it came."""
    payload = polygon.bars(symbol, "minute", FROM, to_ms)
    records = normalise.bars(payload, source="live")
    assert len(records) - 1 == len(payload.results), "every result is a bar or a reject"
    assert records[-1].bars + records[-1].rejected == len(payload.results)
    return [replace(record, polled_ms=0) for record in records]


def bars(records: list) -> list[Bar]:
    return [record for record in records if isinstance(record, Bar)]


def reasons(records: list) -> Counter[str]:
    return Counter(record.reason for record in records if isinstance(record, Reject))


@pytest.fixture
def clean(polygon) -> list[Bar | Reject | Watermark]:
    records = poll(polygon)
    assert len(bars(records)) > 50
    return records


# --- the same poll still gives the right bars

MENDED = {
    "429": {},
    "429 with a hint": {"kind": "429", "retry_after": 3, "count": 2},
    "429 with a hint of nothing": {"kind": "429", "retry_after": 0},
    "429 in the other key": {"kind": "429", "key": "message"},
    **{f"5xx {status}": {"kind": "5xx", "status": status, "count": 2} for status in (408, 499, 500, 502, 503, 504)},
    "5xx with a hint": {"kind": "5xx", "retry_after": 2},
    "timeout": {"seconds": 3},
    "slow": {"seconds": 0.1},
    "drip": {"seconds": 0.05},
    "endless": {},
    "cut": {"count": 2},
    "truncated": {},
    "html200": {},
    "error200": {"key": "error"},
    "error200 in the other key": {"kind": "error200", "key": "message"},
    "lost_results": {},
    "out_of_order": {},
    "decimal_volumes": {},
    "scientific_volumes": {},
    "text_volumes": {},
    "unknown_fields": {},
}
SILENT = {"slow", "out_of_order", "decimal_volumes", "scientific_volumes", "text_volumes", "unknown_fields"}


@pytest.mark.parametrize("trouble", MENDED)
def test_the_right_bars_after_the_trouble(served, polygon, clean, waits, trouble):
    order = {"kind": trouble} | MENDED[trouble]
    served.misbehave(**order)
    polled = poll(polygon)
    assert bars(polled) == bars(clean)
    assert [bar.event_id for bar in bars(polled)] == [bar.event_id for bar in bars(clean)]
    assert (reasons(polled), polled[-1]) == (reasons(clean), clean[-1])
    assert len(waits) == (0 if trouble in SILENT else order.get("count", 1))
    assert not served.http.delete("/simulator/misbehave").json()["pending"]


def test_an_answer_without_end_is_not_kept_in_memory(served, clean, monkeypatch):
    monkeypatch.setattr("include.surveillance.polygon.transport.LARGEST_ANSWER_BYTES", 1_000_000)
    served.misbehave("endless")
    with pytest.raises(VendorUnavailableError, match=r"no end after 1\d{6} bytes"):
        poll(Polygon(KEY, served.url, timeout_seconds=30, patience_seconds=0))


EXTRA = {
    "duplicates": lambda clean: {"duplicate bar": len(bars(clean))},
    "repeated_next_url": lambda clean: {"duplicate bar": len(bars(clean))},
    "other_year": lambda clean: {"outside the asked range": 1},
}


@pytest.mark.parametrize("trouble", EXTRA)
def test_what_came_too_much_is_rejected_and_counted(served, polygon, clean, trouble):
    served.misbehave(trouble)
    polled = poll(polygon)
    assert bars(polled) == bars(clean)
    more = reasons(polled) - reasons(clean)
    expected = EXTRA[trouble](clean)
    assert {reason: more[reason] for reason in expected} == expected


def test_a_delayed_plan_shows_on_each_bar_and_on_the_watermark(served, polygon, clean):
    served.misbehave("delayed")
    polled = poll(polygon)
    assert polled[-1].status == "DELAYED"
    assert all(bar.delayed for bar in bars(polled))
    assert [replace(bar, delayed=False) for bar in bars(polled)] == bars(clean)


# --- the next poll asks for the same time again and gets them


@pytest.mark.parametrize("trouble", ["late", "provisional", "no_results"])
def test_the_next_poll_brings_what_was_missing_or_wrong(served, polygon, clean, trouble):
    served.misbehave(trouble)
    first, second = poll(polygon), poll(polygon)
    assert bars(second) == bars(clean)
    known = {bar.event_id for bar in bars(first)}
    news = [bar for bar in bars(second) if bar.event_id not in known]
    assert news == (bars(clean) if trouble == "no_results" else bars(clean)[-1:]), "and nothing else has a new id"
    assert first[-1].bars == len(bars(first)), "the watermark says how many came"


# --- pages


@pytest.mark.parametrize("trouble", ["5xx", "cut", "truncated", "html200", "lost_results", "lost_next_url"])
@pytest.mark.parametrize("skip", [0, 1])
def test_trouble_on_any_page_ends_no_chain_early(served, polygon, clean, monkeypatch, trouble, skip):
    monkeypatch.setattr("include.surveillance.polygon.client.BARS_PER_PAGE", 20)
    served.misbehave(trouble, skip=skip)
    assert poll(polygon) == clean


def test_the_page_after_the_first_is_lost_for_good_and_so_is_the_poll(served, hasty, clean, monkeypatch):
    monkeypatch.setattr("include.surveillance.polygon.client.BARS_PER_PAGE", 20)
    served.misbehave("html200", skip=1, count=FOREVER)
    with pytest.raises(VendorUnavailableError, match="unusable body"):
        poll(hasty)


# --- trouble that does not end

ENDLESS = {
    "429": (RateLimitedError, {}, "429: You've exceeded"),
    "429 for an hour": (RateLimitedError, {"kind": "429", "retry_after": 3600}, "429: You've exceeded"),
    "5xx": (VendorUnavailableError, {}, "503: upstream connect error"),
    "timeout": (VendorUnavailableError, {"seconds": 3}, "timed out"),
    "cut": (VendorUnavailableError, {}, "IncompleteRead"),
    "truncated": (VendorUnavailableError, {}, "unusable body"),
    "html200": (VendorUnavailableError, {}, "unusable body.*Maintenance"),
    "error200": (VendorUnavailableError, {}, "status 'ERROR'.*Something went wrong"),
    "error200 in the other key": (VendorUnavailableError, {"kind": "error200", "key": "message"}, "Something went"),
    "lost_results": (VendorUnavailableError, {}, r"announced \d+ results and sent 0"),
    "repeated_next_url": (VendorUnavailableError, {}, "round in circles"),
    "not_authorized": (EndpointEndedError, {}, "403: You are not entitled.*clock first.*take a plan"),
    "not_authorized in the other key": (
        EndpointEndedError,
        {"kind": "not_authorized", "key": "error"},
        "You are not ent",
    ),
    "future": (EndpointEndedError, {}, "403: Your plan doesn't include this data timeframe.*clock first"),
}


@pytest.mark.parametrize("trouble", ENDLESS)
def test_trouble_without_end_is_a_clear_error_within_patience(served, hasty, waits, trouble):
    error, more, said = ENDLESS[trouble]
    served.misbehave(**{"kind": trouble, "count": FOREVER} | more)
    with pytest.raises(error, match=said) as caught:
        poll(hasty)
    assert type(caught.value) is error
    assert KEY not in str(caught.value)
    assert all(seconds < 2 for seconds in waits)
    if issubclass(error, VendorError):
        assert waits == [], "asking again does not help"


@pytest.mark.parametrize(("trouble", "seconds"), [("drip", 0.05), ("endless", None)])
def test_a_body_without_end_is_given_up(served, trouble, seconds):
    served.misbehave(trouble, seconds=seconds)
    with pytest.raises(VendorUnavailableError, match=r"no end after \d+ bytes; allowed are 0\.6 s"):
        poll(Polygon(KEY, served.url, timeout_seconds=0.2, patience_seconds=0))


def test_a_time_in_the_vendors_future_is_refused_as_the_plans(served, polygon):
    with pytest.raises(VendorError, match=r"data timeframe.*check this machine's clock first.*its clock shows \w+, "):
        polygon.bars("MSFT", "minute", NOON + MINUTE, NOON + 2 * MINUTE)


def test_an_unknown_ticker_has_no_bars_and_is_named_by_the_reference(polygon):
    (watermark,) = poll(polygon, "NOPE")
    assert (watermark.bars, watermark.rejected) == (0, 0)
    unknown = normalise.instruments(polygon.instruments(["MSFT", "NOPE"]))[-1]
    assert (unknown.symbol, unknown.reason) == ("NOPE", "unknown ticker")


# --- clocks


@pytest.mark.parametrize(("seconds", "how"), [(20, "behind"), (-20, "ahead of")])
def test_a_clock_that_is_off_is_told_and_the_bars_are_right(served, polygon, clean, caplog, seconds, how):
    served.misbehave("clock", seconds=seconds)
    assert poll(polygon) == clean
    (said,) = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert f"s {how} Polygon's: it shows 20" in said
    assert "NTP" in said


@pytest.mark.parametrize(("seconds", "how"), [(300, "behind"), (-300, "ahead of")])
def test_a_clock_that_is_off_by_minutes_stops_the_poll_and_turns_nothing_into_rejects(served, polygon, seconds, how):
    served.misbehave("clock", seconds=seconds)
    with pytest.raises(ConfigurationError, match=rf"clock is \d+ s {how} Polygon's: it shows .*Z, Polygon's .*Z; set"):
        poll(polygon)


def test_clocks_that_agree_are_not_spoken_of(polygon, clean, caplog):
    assert not [record for record in caplog.records if record.levelname == "WARNING"]


def test_every_misbehaviour_is_polled_through():
    tried = {*MENDED, *EXTRA, *ENDLESS, "delayed", "late", "provisional", "no_results", "lost_next_url", "clock"}
    assert {name.split(" ")[0] for name in tried} == set(KINDS)

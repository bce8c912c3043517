"""Only what nobody asked for inhibits: the log says so by its live watermarks."""

from __future__ import annotations

from itertools import pairwise

import pytest

from include.surveillance.detection.state import State
from include.surveillance.records import Bar, Watermark
from tests.surveillance.detection.market import at, bar, calm, profile, run, watermark

MINUTES = "in the 30 minutes from 10:10 to 10:40 New York (15:10 to 15:40 UTC)"
REASON = f"nobody asked for its bars {MINUTES}: an outage of our own"


def polled(*bars: Bar, until: int, since: int) -> list[Bar | Watermark]:
    """The bars of one poll, and behind them the watermark that says which minutes it asked for."""
    return [*bars, watermark(until, from_ms=at(since))]


def breakout(first: int) -> Bar:
    return bar(first, close=112.0, open=112.0, high=113.0, low=111.0, volume=20_000)


OUTAGE = [*polled(*calm(40), until=40, since=0), *polled(breakout(70), until=71, since=70)]
HALT = [*polled(*calm(40), until=40, since=0), *polled(until=69, since=40), *polled(breakout(70), until=71, since=69)]
CAUGHT_UP = [*polled(*calm(40), until=40, since=0), *polled(breakout(70), until=71, since=40)]


def newest(records) -> dict[str, tuple[str | None, str | None]]:
    found = run(records, profiles=[profile()]).alerts
    return {it.rule: (it.hole_cause, it.inhibited_by) for it in found if it.rule != "feed_freshness"}


def test_after_an_outage_of_our_own_an_alert_is_inhibited():
    assert newest(OUTAGE)["price_breakout"] == ("our outage", REASON)
    *_, last = (it for it in run(OUTAGE, profiles=[profile()]).alerts if it.rule == "price_breakout")
    assert last.explanation.endswith(f"; {REASON}.")
    assert "halt" not in last.explanation


@pytest.mark.parametrize("records", [HALT, CAUGHT_UP], ids=["asked all along", "asked later"])
def test_what_was_asked_for_and_is_not_there_is_the_markets(records):
    assert set(newest(records).values()) == {("halt", None)}


def test_without_watermarks_nothing_inhibits():
    assert set(newest([it for it in OUTAGE if isinstance(it, Bar)]).values()) == {("halt", None)}


def test_an_outage_in_the_middle_of_a_halt_is_not_its_cause():
    records = [*polled(*calm(40), until=40, since=0), *polled(until=55, since=40)]
    assert newest([*records, *polled(breakout(70), until=71, since=60)])["price_breakout"] == ("halt", None)


def test_an_outage_that_is_known_inhibits_the_next_bars_too():
    records = [*OUTAGE[:-2], *polled(bar(70), until=71, since=70), *polled(breakout(71), until=72, since=71)]
    assert newest(records)["price_breakout"] == ("our outage", REASON)


@pytest.mark.parametrize("records", [OUTAGE, HALT, CAUGHT_UP], ids=["outage", "halt", "caught up"])
def test_in_whatever_batches_the_log_comes(records):
    whole = run(records, profiles=[profile()])
    for cuts in ([41], [42], [len(records) - 1], list(range(38, len(records)))):
        state, alerts = State("exact"), []
        for start, end in pairwise([0, *cuts, len(records)]):
            part = run(records[start:end], State.from_bytes(state.to_bytes()), profiles=[profile()])
            state, alerts = part.state, alerts + part.alerts
        assert alerts == whole.alerts
        assert state.to_bytes() == whole.state.to_bytes()


def test_once_a_watermark_has_come_nothing_waits_any_more():
    state = run(CAUGHT_UP[:-1], profiles=[profile()]).state
    assert list(state.record_state.waiting) == ["NVDA|minute"]
    assert run(CAUGHT_UP[-1:], state, profiles=[profile()]).state.record_state.waiting == {}

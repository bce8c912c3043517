"""Generated bars: near their level, joined from session to session, busy at both ends."""

from __future__ import annotations

import itertools

from include.polygon_simulator.bar_pages import Query, read_page
from include.polygon_simulator.market import synthetic_market
from tests.polygon_simulator.constants import DAY, MINUTE, NOON


def test_sessions_join_without_a_jump_unless_a_gap_is_labelled():
    one = synthetic_market(11, "24/7", 24, clock=lambda: NOON)
    sessions = one.latest_sessions(4)[::-1]
    gaps = {
        (label["symbol"], label["start_ms"])
        for label in one.labels(NOON - 5000 * MINUTE, NOON)
        if label["kind"] == "price_gap"
    }
    for before, after in itertools.pairwise(sessions):
        for symbol, instrument in one.instruments.items():
            if instrument.thin:
                continue
            jump = abs(one.minutes(symbol, after).o[0] / one.minutes(symbol, before).c[-1] - 1)
            assert (jump > 0.035) == ((symbol, after.open_ms) in gaps)
            assert jump < 0.01 or jump > 0.035


def test_prices_stay_near_their_level():
    one = synthetic_market(11, "24/7", 24, clock=lambda: NOON)
    rows = read_page(one, Query("KO", 1, "day", NOON - 200 * DAY, NOON)).rows
    closes = [row["c"] for row in rows]
    factor = one.sources["KO"].share_factor("KO", one.sessions.at_or_before(NOON))
    level = one.instruments["KO"].price * factor
    assert 0.75 * level < min(closes) < max(closes) < 1.25 * level


def test_volume_is_high_at_both_ends_and_thin_names_miss_minutes():
    one = synthetic_market(5, "XNYS", 24, clock=lambda: NOON)
    session = one.latest_sessions(2)[1]
    thirds = session.open_ms, session.open_ms + 130 * MINUTE, session.open_ms + 260 * MINUTE, session.close_ms
    liquid = [symbol for symbol, instrument in one.instruments.items() if not instrument.thin]
    volume = [
        sum(
            one.minutes(symbol, session).between(start, end).v.sum() / one.instruments[symbol].daily_volume
            for symbol in liquid
        )
        for start, end in itertools.pairwise(thirds)
    ]
    assert volume[1] < min(volume[0], volume[2])
    thin = set(one.instruments) - set(liquid)
    assert len(thin) == 3
    assert all(60 < len(one.minutes(symbol, session)) < 300 for symbol in thin)
    fractions = [volume for symbol in liquid for volume in one.minutes(symbol, session).v if volume % 1]
    assert 0 < len(fractions) < 0.1 * 390 * len(liquid)

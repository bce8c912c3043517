"""An evaluation tells what is new from what is only looked back on, and what it evaluated once more."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from include.surveillance.detection.state import CONTEXT, REVISABLE, State
from tests.surveillance.detection.market import at, bar, engine, evaluate, profile

SYMBOLS = ["NVDA", "AMD", "KO"]


@settings(deadline=None, max_examples=40)
@given(
    counts=st.lists(st.tuples(st.sampled_from(SYMBOLS), st.integers(0, 60), st.integers(0, 30)), min_size=1, max_size=3,
                    unique_by=lambda it: it[0]),
    shuffled=st.randoms(),
)  # fmt: skip
def test_new_bars_are_those_that_were_given_and_the_rest_is_what_the_state_held(counts, shuffled):
    machine, state = engine([profile()]), State("exact")
    volume = {symbol: 46_000 if symbol == "NVDA" else 1000 for symbol in SYMBOLS}
    old = {symbol: [bar(minute, symbol=symbol) for minute in range(before)] for symbol, before, _ in counts}
    new = {
        symbol: [bar(minute, symbol=symbol, volume=volume[symbol]) for minute in range(before, before + after)]
        for symbol, before, after in counts
    }
    evaluate(machine, state, [it for bars in old.values() for it in bars])
    given_bars = [it for bars in new.values() for it in bars]
    shuffled.shuffle(given_bars)
    given_bars.sort(key=lambda it: it.ts_ms)
    evaluation = evaluate(machine, state, given_bars)

    assert sorted(evaluation.bars.event_ids(slice(None))) == sorted(it.event_id for it in given_bars)
    assert {len(values) for values in evaluation.measures.values()} <= {len(given_bars)}
    scan, keys = evaluation.scan, evaluation.scan.bars.keys
    for s, (symbol, _) in enumerate(keys):
        own = np.flatnonzero(scan.bars.code == s)
        held = old[symbol][-(CONTEXT + REVISABLE) :]
        assert scan.bars.event_ids(own) == [it.event_id for it in [*held, *new[symbol]]]
        assert evaluation.fresh[own].tolist() == [False] * len(held) + [True] * len(new[symbol])
        revisable = [it.ts_ms for it in [*old[symbol][-REVISABLE:], *new[symbol]]]
        assert scan.bars.ts[evaluation.evaluated(s)].tolist() == revisable
    firings, fresh = evaluation.firings, evaluation.fresh_firings
    assert len(fresh) == int(np.sum(evaluation.fresh[firings.index]))
    assert set(scan.bars.ts[fresh.index].tolist()) <= {it.ts_ms for it in given_bars}
    assert np.all(np.diff(firings.index * 10 + firings.kind) > 0), "sorted by bar and kind"


def test_profiles_are_cited_by_their_version():
    evaluation = evaluate(engine([profile()]), State("exact"), [bar(0)])
    assert evaluation.profile_version(0) == profile().version
    assert evaluation.profile_version(-1) is None


def test_firings_are_taken_by_index_or_mask():
    bars = [bar(minute, volume=1000 if minute < 20 else 9000 * 3 ** (minute - 20)) for minute in range(24)]
    firings = evaluate(engine(), State("exact"), bars).firings
    assert len(firings) == 4
    mask = np.array([False, True, False, True])
    for which in (mask, np.flatnonzero(mask)):
        taken = firings.take(which)
        assert taken.count.tolist() == [2, 4]
        assert taken.start.tolist() == [at(20)] * 2

"""What must hold for the engine whatever the market does."""

from __future__ import annotations

from decimal import Decimal
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from include.surveillance.detection.engine import Detection, Engine
from include.surveillance.detection.parameters import Parameters
from include.surveillance.detection.rules import VolatilitySpike
from include.surveillance.detection.state import State
from include.surveillance.models import Alert, Bar, Metric, NewsItem, Split, Watermark
from include.surveillance.sessions import MINUTE_MS, Sessions

START = 1_550_154_600_000  # 2019-02-14 14:30 UTC, an XNYS open
SESSIONS = Sessions()
# A short memory of volatility lets a small example reach its percentile.
PARAMETERS = [
    Parameters(volatility_spike=VolatilitySpike(minimum_history=5), session_reset=reset) for reset in (False, True)
]

bars = st.builds(
    lambda symbol, minute, close, spread, volume: Bar(
        symbol=symbol,
        timespan="minute",
        ts_ms=START + minute * MINUTE_MS,
        open=close,
        high=close + spread,
        low=close - spread,
        close=close,
        volume=Decimal(volume),
    ),
    symbol=st.sampled_from(["A", "B"]),
    minute=st.integers(0, 60) | st.integers(380, 400) | st.integers(1430, 1460),
    close=st.sampled_from([100.0, 100.25, 100.5, 99.0, 103.5, 90.0]),
    spread=st.sampled_from([0.0, 0.125, 1.0]),
    volume=st.sampled_from([0, 100, 110, 500, 90_000]),
)
news = st.builds(
    lambda symbol, article, minute, sentiment: NewsItem(
        symbol=symbol,
        article_id=article,
        published_ms=START + minute * MINUTE_MS,
        title=article,
        sentiment=sentiment,
    ),
    symbol=st.sampled_from(["A", "B"]),
    article=st.sampled_from(["a1", "a2", "a3"]),
    minute=st.integers(0, 60),
    sentiment=st.sampled_from(["negative", "positive", None]),
)
watermarks = st.builds(
    lambda symbol, minute, rejected: Watermark(
        symbol=symbol,
        timespan="minute",
        from_ms=START,
        as_of_ms=START + minute * MINUTE_MS,
        bars=1,
        rejected=rejected,
    ),
    symbol=st.sampled_from(["A", "B"]),
    minute=st.integers(0, 100),
    rejected=st.integers(0, 1),
)


@st.composite
def logs(draw) -> list[Bar | Watermark | NewsItem]:
    """A market mostly in order, so that windows fill, with everything that may arrive among it."""
    steady = [draw(bars) for _ in range(draw(st.integers(0, 120)))]
    steady.sort(key=lambda bar: bar.ts_ms)
    for record in draw(st.lists(bars | news | watermarks, max_size=15)):
        steady.insert(draw(st.integers(0, len(steady))), record)
    return steady


def run(records, state: State | None = None, parameters=PARAMETERS[0], form="sketch", splits=()) -> Detection:
    return Engine(parameters, SESSIONS, splits).run(state or State(history=form), records)


@pytest.mark.parametrize("parameters", PARAMETERS, ids=["free", "session_reset"])
@pytest.mark.parametrize("form", ["exact", "sketch"])
@settings(deadline=None, max_examples=60)
@given(log=logs(), cuts=st.lists(st.integers(0, 150), max_size=6))
def test_any_batching_is_one_batch_bit_for_bit(log, cuts, form, parameters):
    whole = run(log, form=form, parameters=parameters)
    state, metrics, firings, alerts = State(history=form), [], [], []
    for start, end in pairwise([0, *sorted(min(cut, len(log)) for cut in cuts), len(log)]):
        # Between batches the state lives as bytes, as it does on its topic.
        part = run(log[start:end], State.from_bytes(state.to_bytes()), parameters)
        state, metrics, firings = part.state, metrics + part.metrics, firings + part.firings
        alerts += part.alerts
    assert encode(metrics) == encode(whole.metrics)
    assert encode(firings) == encode(whole.firings)
    assert encode(alerts) == encode(whole.alerts)
    assert state.to_bytes() == whole.state.to_bytes()


@settings(deadline=None, max_examples=60)
@given(log=logs(), again=st.lists(st.tuples(st.integers(0, 140), st.integers(0, 8)), max_size=10))
def test_a_duplicate_changes_nothing(log, again):
    ordered = sorted({(it.symbol, it.ts_ms): it for it in log if type(it) is Bar}.values(), key=lambda bar: bar.ts_ms)
    repeated = list(ordered)
    for index, later in again:
        if index < len(ordered):
            # Right behind itself or some bars later, as the overlap of polls brings it.
            repeated.insert(min(repeated.index(ordered[index]) + 1 + later, len(repeated)), ordered[index])
    once, more = run(ordered), run(repeated)
    assert encode(more.metrics) == encode(once.metrics)
    assert encode(more.firings) == encode(once.firings)
    assert more.state.to_bytes() == once.state.to_bytes()
    assert more.counts["duplicate"] + more.counts["stale"] == len(repeated) - len(ordered)


@settings(deadline=None, max_examples=60)
@given(log=logs(), power=st.integers(-3, 5))
def test_scaling_volumes_changes_no_verdict(log, power):
    # Powers of two keep every product exact, so a comparison at the limit stays what it was.
    factor = 2.0**power
    scaled = [changed(it, volume=it.volume * Decimal(factor)) if type(it) is Bar else it for it in log]
    plain, other = run(log), run(scaled)
    assert verdicts(other) == verdicts(plain)
    assert [it.volume_mean for it in other.metrics] == [
        None if it.volume_mean is None else it.volume_mean * factor for it in plain.metrics
    ]


@settings(deadline=None, max_examples=60)
@given(log=logs(), power=st.integers(-3, 5))
def test_scaling_prices_changes_no_verdict(log, power):
    factor = 2.0**power
    scaled = [
        changed(it, **{name: getattr(it, name) * factor for name in ("open", "high", "low", "close")})
        if type(it) is Bar
        else it
        for it in log
    ]
    plain, other = run(log), run(scaled)
    assert verdicts(other) == verdicts(plain)
    assert [(it.return_std, it.gap) for it in other.metrics] == [(it.return_std, it.gap) for it in plain.metrics]


@settings(deadline=None, max_examples=60)
@given(log=logs())
def test_a_split_between_sessions_is_as_adjusted_bars_to_the_gap_rule(log):
    ordered = sorted((it for it in log if type(it) is Bar), key=lambda bar: bar.ts_ms)
    ex_ms = START + 1_000 * MINUTE_MS  # the night between the two sessions
    halved = [
        changed(it, **{name: getattr(it, name) / 2 for name in ("open", "high", "low", "close")})
        if it.ts_ms >= ex_ms
        else it
        for it in ordered
    ]
    splits = [Split(symbol=symbol, execution_date="2019-02-15", split_from=1, split_to=2) for symbol in "AB"]
    assert [it.gap for it in run(halved, splits=splits).metrics] == [it.gap for it in run(ordered).metrics]


def changed(bar: Bar, **values) -> Bar:
    return msgspec.structs.replace(bar, revision="", event_id="", **values)


def encode(records: list[Alert] | list[Metric]) -> bytes:
    return msgspec.json.encode(records)


def verdicts(detection: Detection) -> list[tuple]:
    return [(it.rule, it.symbol, it.ts_ms, it.direction, it.score, it.episode_start_ms) for it in detection.firings]

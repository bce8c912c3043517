"""What must hold for the engine whatever the market does."""

from __future__ import annotations

from decimal import Decimal
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from include.surveillance.alerts.kinds import kind_of
from include.surveillance.detection.arrivals import Places
from include.surveillance.detection.corporate_actions import CorporateActions
from include.surveillance.detection.engine import Engine
from include.surveillance.detection.log_pass import Detection, detect_records
from include.surveillance.detection.parameters.book import ParameterBook
from include.surveillance.detection.parameters.values import Parameters
from include.surveillance.detection.positions import TradingCalendar
from include.surveillance.detection.rules.literal.volatility_spike import LiteralVolatilitySpike
from include.surveillance.detection.slots import lay_out_slots
from include.surveillance.detection.state import State
from include.surveillance.detection.succession import Succession
from include.surveillance.records import Bar, NewsItem, Profile, Split, TickerChange, Watermark
from include.surveillance.sessions import Sessions
from include.surveillance.timespans import MINUTE_MS

START = 1_550_154_600_000  # 2019-02-14 14:30 UTC, an XNYS open
SESSIONS = Sessions()
# A short memory of volatility lets a small example reach its percentile.
SHORT = LiteralVolatilitySpike(minimum_history=5)
BOOKS = {
    "free": ParameterBook(Parameters(volatility_spike=SHORT)),
    "session_reset": ParameterBook(Parameters(volatility_spike=SHORT, session_reset=True)),
}
SLOTS = lay_out_slots("minute", 390, extended=True).total


def profile(symbol: str) -> Profile:
    """Held against the generated bars it finds bursts, spells, breakouts and gaps."""
    return Profile(
        symbol=symbol,
        timespan="minute",
        effective_ms=START + 5 * MINUTE_MS,
        first_date="2019-01-15",
        last_date="2019-02-13",
        sessions=20,
        volume_level=[6.0] * SLOTS,
        volume_scale=[0.4] * SLOTS,
        return_factor=[0.5 + slot / SLOTS for slot in range(SLOTS)],
        presence=[0.9] * SLOTS,
        volatility_fire=0.02,
        volatility_clear=0.01,
        range_percent=0.02,
        turnover=1e6,
        liquidity="mid",
    )


PROFILES = {"literal": (), "robust": (profile("A"), profile("B"))}

CHANGES = (
    TickerChange(symbol="A", new_symbol="C", date="2019-02-15"),
    TickerChange(symbol="D", new_symbol="A", date="2019-02-15"),
)


def ticker(company: str, minute: int) -> str:
    """In the night between the two sessions A becomes C, and D becomes A."""
    return {"A": "C", "D": "A"}.get(company, company) if minute > 1_000 else company


companies = st.sampled_from(["A", "A", "B", "B", "D"])
bars = st.builds(
    lambda symbol, minute, close, spread, volume: Bar(
        symbol=ticker(symbol, minute),
        timespan="minute",
        ts_ms=START + minute * MINUTE_MS,
        open=close,
        high=close + spread,
        low=close - spread,
        close=close,
        volume=Decimal(volume),
    ),
    symbol=companies,
    # The session, its close and the hours after it, and the open of the next one with the minutes before.
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
backfilled = bars.map(lambda bar: msgspec.structs.replace(bar, source="backfill"))
watermarks = st.builds(
    lambda symbol, minute, asked, rejected, source: Watermark(
        symbol=ticker(symbol, minute),
        timespan="minute",
        from_ms=START + (minute - asked) * MINUTE_MS,
        as_of_ms=START + minute * MINUTE_MS,
        bars=1,
        rejected=rejected,
        source=source,
    ),
    symbol=companies,
    minute=st.integers(0, 100) | st.integers(1430, 1460),
    asked=st.sampled_from([1, 2, 30, 100]),  # the fewer, the more minutes nobody has asked for
    rejected=st.integers(0, 1),
    source=st.sampled_from(["live", "live", "backfill"]),
)


halts = st.tuples(companies, st.integers(5, 40), st.integers(5, 15), st.sampled_from([1.0, 0.75, 1.25]))


def halt(bar: Bar, company: str, start: int, minutes: int, move: float) -> Bar | None:
    """Return a bar as it is after a halt of its company, with prices that have moved over it; None while it lasts."""
    after = (bar.ts_ms - START) // MINUTE_MS - start
    if bar.symbol != company or not 0 <= after < 60:
        return bar
    return priced(bar, move) if after >= minutes else None


def in_order(log) -> list[Bar]:
    """Each bar once, live and in order of time."""
    bars = [msgspec.structs.replace(it, source="live") for it in log if type(it) is Bar]
    return sorted({(it.symbol, it.ts_ms): it for it in bars}.values(), key=lambda bar: bar.ts_ms)


@st.composite
def logs(draw) -> list[Bar | Watermark | NewsItem]:
    """A market mostly in order, so that windows fill, with halts in it and everything that may arrive among it."""
    steady = in_order([draw(bars) for _ in range(draw(st.integers(0, 120)))])
    for company, start, minutes, move in draw(st.lists(halts, max_size=2)):
        steady = [halted for it in steady if (halted := halt(it, company, start, minutes, move))]
    for record in draw(st.lists(bars | backfilled | news | watermarks, max_size=15)):
        steady.insert(draw(st.integers(0, len(steady))), record)
    if steady and draw(st.booleans()):
        at = draw(st.integers(0, len(steady)))
        steady[at:at] = [draw(backfilled) for _ in range(draw(st.integers(1, 30)))]
    return steady


def run(records, state: State | None = None, book="free", form="sketch", rules="robust", splits=()) -> Detection:
    actions = CorporateActions(splits=tuple(splits), ticker_changes=CHANGES)
    engine = Engine(BOOKS[book], SESSIONS, actions, PROFILES[rules], judges="live")
    return detect_records(engine, state or State(form), records)


later_bars = st.integers(1, 15)
both_rules = pytest.mark.parametrize("rules", ["literal", "robust"])


@both_rules
@pytest.mark.parametrize("book", BOOKS)
@pytest.mark.parametrize("form", ["exact", "sketch"])
@settings(deadline=None, max_examples=15)
@given(log=logs(), cuts=st.lists(st.integers(0, 150), max_size=6))
def test_any_batching_is_one_batch_bit_for_bit(log, cuts, form, book, rules):
    whole = run(log, form=form, book=book, rules=rules)
    state, metrics, alerts = State(form), [], []
    for start, end in pairwise([0, *sorted(min(cut, len(log)) for cut in cuts), len(log)]):
        # Between batches the state lives as bytes, as it does on its topic.
        part = run(log[start:end], State.from_bytes(state.to_bytes()), book, form, rules)
        state, metrics, alerts = part.state, metrics + part.metrics, alerts + part.alerts
    assert encode(metrics) == encode(whole.metrics)
    assert encode(alerts) == encode(whole.alerts)
    assert state.to_bytes() == whole.state.to_bytes()


@both_rules
@settings(deadline=None, max_examples=60)
@given(log=logs())
def test_live_alerts_are_the_same_with_and_without_what_backfills_bring_behind_other_bars(log, rules):
    succession, places = (
        Succession(CorporateActions(ticker_changes=CHANGES).tickers, TradingCalendar(SESSIONS)),
        Places(),
    )

    def matters(record) -> bool:
        if type(record) is not Bar:
            return True
        key = succession.key(record.symbol, record.timespan, record.ts_ms)
        return places.takes(key, record.ts_ms, judged=record.source == "live") or record.source == "live"

    without, whole = run([it for it in log if matters(it)], rules=rules), run(log, rules=rules)
    assert encode(whole.alerts) == encode(without.alerts)
    assert encode(whole.metrics) == encode(without.metrics)
    assert whole.state.to_bytes() == without.state.to_bytes()
    assert {it.source for it in whole.alerts if kind_of(it.rule) == "market"} <= {"live"}


@both_rules
@settings(deadline=None, max_examples=30)
@given(log=logs(), data=st.data())
def test_the_order_inside_a_batch_does_not_matter(log, data, rules):
    """As long as a bar comes before 20 later ones of its series: what is older is settled."""
    ordered = in_order(log)
    shuffled = list(ordered)
    for start in range(0, len(ordered), 10):
        shuffled[start : start + 10] = data.draw(st.permutations(ordered[start : start + 10]))
    plain, other = run(ordered, rules=rules), run(shuffled, rules=rules)
    assert standing(other) == standing(plain)
    assert judged(other) == judged(plain)


@both_rules
@settings(deadline=None, max_examples=30)
@given(log=logs(), again=st.lists(st.tuples(st.integers(0, 140), st.integers(0, 8)), max_size=10))
def test_a_duplicate_changes_nothing(log, again, rules):
    ordered = in_order(log)
    repeated = list(ordered)
    for index, later in again:
        if index < len(ordered):
            # Right behind itself or some bars later, as the overlap of polls brings it.
            repeated.insert(min(repeated.index(ordered[index]) + 1 + later, len(repeated)), ordered[index])
    once, more = run(ordered, rules=rules), run(repeated, rules=rules)
    assert encode(more.metrics) == encode(once.metrics)
    assert encode(more.alerts) == encode(once.alerts)
    assert more.state.to_bytes() == once.state.to_bytes()
    assert more.counts["duplicate"] == len(repeated) - len(ordered)


@both_rules
@settings(deadline=None, max_examples=30)
@given(log=logs(), wrong=st.lists(st.tuples(st.integers(0, 140), bars), min_size=1, max_size=5), later=later_bars)
def test_a_revision_is_having_had_it_right_at_once(log, wrong, later, rules):
    ordered = in_order(log)
    revised = list(ordered)
    for index, other in wrong:
        if index < len(ordered):
            right = ordered[index]
            at = revised.index(right) if right in revised else None
            if at is None:
                continue
            values = {name: getattr(other, name) for name in ("open", "high", "low", "close", "volume")}
            revised[at] = changed(right, **values)
            revised.insert(min(at + later, len(revised)), right)
    at_once, in_the_end = run(ordered, rules=rules), run(revised, rules=rules)
    assert standing(in_the_end) == standing(at_once)
    assert judged(in_the_end) == judged(at_once)


@settings(deadline=None, max_examples=30)
@given(log=logs())
def test_every_change_of_an_alert_says_what_stood_before(log):
    """A correction's record carries the values that were published, under the id that was."""
    detection = run(log, rules="literal")
    known: dict[str, tuple[float, float]] = {}
    for alert in detection.alerts:
        if alert.rule == "news_impact":
            continue
        if alert.status in ("confirmed", "retracted"):
            assert (alert.before_value, alert.before_threshold) == known[alert.event_id]
        if alert.status in ("fired", "confirmed"):
            known[alert.event_id] = alert.value, alert.threshold


@settings(deadline=None, max_examples=30)
@given(log=logs(), power=st.integers(-3, 5))
def test_scaling_volumes_changes_no_verdict(log, power):
    # Powers of two keep every product exact, so a comparison at the limit stays what it was.
    factor = 2.0**power
    scaled = [changed(it, volume=it.volume * Decimal(factor)) if type(it) is Bar else it for it in log]
    plain, other = run(log, rules="literal"), run(scaled, rules="literal")
    assert verdicts(other) == verdicts(plain)
    assert [it.volume_mean for it in other.metrics] == [
        None if it.volume_mean is None else it.volume_mean * factor for it in plain.metrics
    ]


@both_rules
@settings(deadline=None, max_examples=30)
@given(log=logs(), power=st.integers(-3, 5))
def test_scaling_prices_changes_no_verdict(log, power, rules):
    factor = 2.0**power
    scaled = [priced(it, factor) if type(it) is Bar else it for it in log]
    plain, other = run(log, rules=rules), run(scaled, rules=rules)
    # The dollars that a burst must be worth are dollars.
    apart = ("abnormal_volume", "news_impact") if rules == "robust" else ()
    assert [it for it in verdicts(other) if it[0] not in apart] == [it for it in verdicts(plain) if it[0] not in apart]
    assert [(it.return_std, it.gap) for it in other.metrics] == [(it.return_std, it.gap) for it in plain.metrics]


@pytest.mark.parametrize(("old", "new"), [(1, 2), (4, 1)])
@settings(deadline=None, max_examples=30)
@given(log=logs())
def test_bars_with_a_split_are_as_bars_adjusted_before(log, old, new):
    ordered = in_order(log)
    ex_ms = START + 1_000 * MINUTE_MS  # the night between the two sessions
    ratio = new / old
    raw = [priced(it, 1 / ratio, Decimal(ratio)) if it.ts_ms >= ex_ms else it for it in ordered]
    splits = [Split(symbol=symbol, execution_date="2019-02-15", split_from=old, split_to=new) for symbol in "ABC"]
    adjusted, with_split = run(ordered, rules="literal"), run(raw, splits=splits, rules="literal")
    assert verdicts(with_split) == verdicts(adjusted)
    pairs = zip(with_split.metrics, adjusted.metrics, strict=True)
    assert all((it.return_std, it.gap) == (other.return_std, other.gap) for it, other in pairs)


def changed(bar: Bar, **values) -> Bar:
    return msgspec.structs.replace(bar, revision="", event_id="", **values)


def priced(bar: Bar, factor: float, shares: Decimal = Decimal(1)) -> Bar:
    prices = {name: getattr(bar, name) * factor for name in ("open", "high", "low", "close")}
    return changed(bar, volume=bar.volume * shares, **prices)


def encode(records: list) -> bytes:
    return msgspec.json.encode(records)


def standing(detection: Detection) -> tuple[dict, dict]:
    """The newest word on every metric, and on every alert that was not taken back."""
    metrics = {metric.event_id: metric for metric in detection.metrics}
    alerts = {alert.event_id: alert for alert in detection.alerts}
    return metrics, {
        name: (alert.episode_start_ms, alert.direction) for name, alert in alerts.items() if alert.status != "retracted"
    }


def judged(detection: Detection) -> bytes:
    """The state but for the alerts that late news may tag again: these are what was told, so bars that come in another
    order leave others. Each is the newest word on it, and none was taken back."""
    told = {alert.event_id: alert for alert in detection.alerts}
    state = detection.state.copy()
    remembered = [it.whole() for alerts in state.record_state.tagged.values() for it in alerts]
    assert remembered == [told[alert.event_id] for alert in remembered]
    assert "retracted" not in {alert.status for alert in remembered}
    state.record_state.tagged.clear()
    return state.to_bytes()


def verdicts(detection: Detection) -> list[tuple]:
    return [(it.rule, it.symbol, it.ts_ms, it.direction, it.score, it.episode_start_ms) for it in detection.alerts]

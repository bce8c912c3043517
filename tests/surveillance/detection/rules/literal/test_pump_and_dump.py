"""Pump and dump: its phases and edges, against a slow reading of the rule, and however the log comes."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from itertools import pairwise
from statistics import median

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from include.surveillance.detection.context_tags import Context, Story, decide_tag
from include.surveillance.detection.corporate_actions import CorporateActions
from include.surveillance.detection.engine import Engine
from include.surveillance.detection.log_pass import Detection, detect_records
from include.surveillance.detection.parameters.book import ParameterBook
from include.surveillance.detection.parameters.values import Budget, Parameters
from include.surveillance.detection.state import State
from include.surveillance.records import Alert, Bar, Split
from include.surveillance.sessions import Sessions
from include.surveillance.studies.evidence import check_evidence, select_cited
from include.surveillance.timespans import HOUR_MS, NEW_YORK, to_ms

NAME, SESSIONS = "pump_and_dump", Sessions()
DATES = [one.date for one in SESSIONS.between("2024-01-02", "2024-06-28")]


def day(number: int, close: float = 1.0, volume: float = 100_000, symbol: str = "XMPL", **over) -> Bar:
    return Bar(
        symbol=symbol, timespan="day",
        ts_ms=to_ms(datetime.fromisoformat(DATES[number]).replace(tzinfo=NEW_YORK)),
        open=close, high=close, low=close, close=close, volume=Decimal(str(volume)), **over,
    )  # fmt: skip


def days(*moves: tuple[float, float], calm: int = 20) -> list[Bar]:
    """Calm sessions at 1.00 on 100,000 shares, and then these closes and volumes."""
    return [day(number, *move) for number, move in enumerate([(1.0, 100_000.0)] * calm + list(moves))]


def engine(splits: tuple[Split, ...] = (), **parameters) -> Engine:
    given = {"alerting_form": "literal"} | parameters
    return Engine(ParameterBook(Parameters(**given)), SESSIONS, CorporateActions(splits))


def run(records, state: State | None = None, **given) -> Detection:
    return detect_records(engine(**given), state or State("exact"), records)


def of_rule(found: list[Alert]) -> list[Alert]:
    return [alert for alert in found if alert.rule == NAME]


def told(bars: list[Bar], **given) -> list[tuple[str, int]]:
    """Direction and number of the session of each alert."""
    numbers = {day(number).ts_ms: number for number in range(len(bars))}
    return [(alert.direction, numbers[alert.ts_ms]) for alert in of_rule(run(bars, **given).alerts)]


def read_slowly(bars: list[Bar]) -> list[tuple[str, int]]:
    """The rule as its docstring says it, with lists and a loop."""
    closes, volumes = [bar.close for bar in bars], [float(bar.volume) for bar in bars]

    def pumped(i: int) -> bool:
        if i < 20:
            return False
        low = max(j for j in range(i - 5, i) if closes[j] == min(closes[i - 5 : i]))
        usual, since = median(volumes[i - 20 : i - 5]), volumes[low + 1 : i + 1]
        return (
            usual > 0
            and closes[i] / closes[low] - 1 >= 0.15
            and sum(since) / len(since) / usual >= 5
            and usual * closes[low] <= 5e6
        )

    found, i = [], 0
    while i < len(bars):
        if not pumped(i):
            i += 1
            continue
        found.append(("up", i))
        low, peak, last = min(closes[i - 5 : i]), closes[i], min(i + 10, len(bars) - 1)
        while i < last:
            i += 1
            peak = max(peak, closes[i])
            if (peak - closes[i]) / (peak - low) >= 0.5:
                found.append(("down", i))
                break
        while i < len(bars) and pumped(i):
            i += 1
    return found


PUMP = [(1.3, 500_000.0), (1.6, 600_000.0), (2.0, 400_000.0)]


class TestPhases:
    def test_a_pump_its_peak_and_its_dump(self):
        bars = days(*PUMP, (1.4, 300_000.0))
        pump, dump = of_rule(run(bars).alerts)
        assert (pump.direction, dump.direction) == ("up", "down")
        assert (pump.value, pump.threshold, pump.baseline) == (pytest.approx(0.3), 0.15, 1.0)
        assert (dump.value, dump.threshold, dump.baseline) == (pytest.approx(0.6), 0.5, 2.0)
        assert pump.explanation == (
            f"XMPL closed at 1.30 on {DATES[20]}, 30.00 % above the lowest close of the 5 sessions before (1.00 on "
            f"{DATES[19]}), on 5 times its usual volume since then; the limits are 15.00 % and 5 times."
        )
        assert dump.explanation == (
            f"XMPL closed at 1.40 on {DATES[23]} and has given back 60.00 % of its rise from 1.00 ({DATES[19]}) to "
            f"2.00 ({DATES[22]}), within 10 sessions of the pump on {DATES[20]}; the limit is 50.00 %."
        )

    def test_what_each_rests_on(self):
        bars = days(*PUMP, (1.4, 300_000.0))
        pump, dump = of_rule(run(bars).alerts)
        assert pump.event_ids == tuple(bar.event_id for bar in reversed(bars[:21]))
        assert dump.event_ids == tuple(bars[number].event_id for number in (23, 22, 20, 19))
        assert (pump.window_start_ms, dump.window_start_ms) == (bars[0].ts_ms, bars[19].ts_ms)

    def test_no_sentence_speaks_of_intent(self):
        said = " ".join(alert.explanation for alert in of_rule(run(days(*PUMP, (1.4, 300_000.0))).alerts)).lower()
        assert not {word for word in ("manipul", "fraud", "scheme", "promot", "intent", "abus") if word in said}

    def test_a_price_that_stays_up_has_no_dump(self):
        assert told(days(*PUMP, *[(2.0, 100_000.0)] * 12)) == [("up", 20)]

    @pytest.mark.parametrize(("held", "dumped"), [(7, True), (8, False)])
    def test_a_fall_after_ten_sessions_is_none(self, held, dumped):
        bars = days(*PUMP, *[(2.0, 100_000.0)] * held, (1.4, 100_000.0))
        assert told(bars) == [("up", 20), *([("down", 23 + held)] if dumped else [])]

    def test_a_second_pump_comes_after_a_session_without_one(self):
        assert told(days(*PUMP, (1.4, 600_000.0), (2.1, 600_000.0))) == [("up", 20), ("down", 23)]
        again = days(*PUMP, *[(1.4, 50_000.0)] * 6, (2.1, 2_000_000.0))
        assert told(again) == read_slowly(again) == [("up", 20), ("down", 23), ("up", 29)]


class TestBesideOtherRules:
    def test_it_alerts_where_the_others_have_no_profile_and_by_a_fixed_limit(self):
        least = Budget(alerts_per_symbol_session=1e-9)
        found = run(days(*PUMP, (1.4, 300_000.0)), alerting_form="robust", budget=least).alerts
        assert [alert.rule for alert in found] == [NAME, NAME]
        assert {(it.form, it.profile_version, it.rarity_sessions) for it in found} == {("literal", None, None)}

    def test_an_article_or_results_explain_it_as_any_other_alert(self):
        pump, _ = of_rule(run(days(*PUMP, (1.4, 300_000.0))).alerts)
        story = Story("a1", pump.bar_close_ms - HOUR_MS, "positive", 1.0)
        assert decide_tag(pump, Context())[0] == "unexplained"
        assert decide_tag(pump, Context(stories=[story]))[0] == "news"
        assert decide_tag(pump, Context(scheduled=("results|XMPL|2024-01-31",)))[0] == "scheduled"


class TestEdges:
    @pytest.mark.parametrize(("close", "volume", "fires"), [
        (1.25, 500_000, True), (1.125, 500_000, False), (1.25, 499_999, False), (0.9, 900_000, False),
    ])  # fmt: skip
    def test_both_limits_count(self, close, volume, fires):
        assert told(days((close, volume))) == ([("up", 20)] if fires else [])

    def test_a_share_that_trades_for_more_is_not_watched(self):
        bars = [replace(bar, volume=bar.volume * 51, revision="", event_id="") for bar in days(*PUMP)]
        assert not told(bars)

    def test_it_needs_twenty_sessions(self):
        assert not told(days((1.3, 500_000.0), calm=19))

    def test_without_usual_volume_it_is_not_applicable(self):
        assert not told([*(day(number, volume=0) for number in range(20)), day(20, 1.3, 500_000)])

    def test_it_reads_day_bars_alone(self):
        bars = [replace(bar, timespan="hour", event_id="", revision="") for bar in days(*PUMP)]
        assert not of_rule(run(bars).alerts)

    def test_a_low_price_is_more_severe_and_a_fall_too(self):
        dear = [
            replace(bar, **dict.fromkeys(("open", "high", "low", "close"), bar.close * 10), revision="", event_id="")
            for bar in days(*PUMP, (1.4, 300_000.0))
        ]
        (pump, dump), (dear_pump, dear_dump) = (of_rule(run(bars).alerts) for bars in (
            days(*PUMP, (1.4, 300_000.0)), dear))  # fmt: skip
        assert dear_pump.score < pump.score < dump.score
        assert dear_pump.score < dear_dump.score < dump.score

    def test_a_reverse_split_is_no_pump(self):
        split = Split(symbol="XMPL", execution_date=DATES[20], split_from=10, split_to=1)
        after = [(10.0, 10_000.0), (10.0, 50_000.0)]
        assert told(days(*after), splits=(split,)) == []
        assert told(days((10.0, 600_000.0))) == [("up", 20)], "unknown, it looks like one"

    def test_after_a_split_a_dump_is_told_in_the_prices_of_its_day(self):
        split = Split(symbol="XMPL", execution_date=DATES[23], split_from=1, split_to=2)
        plain, halved = days(*PUMP, (1.4, 300_000.0)), days(*PUMP, (0.7, 600_000.0))
        (_, one), (_, other) = of_rule(run(plain).alerts), of_rule(run(halved, splits=(split,)).alerts)
        assert other.value == pytest.approx(one.value)
        assert (one.baseline, other.baseline) == (2.0, 1.0)


closes = st.sampled_from([1.0, 1.0, 1.05, 0.95, 1.1, 1.2, 1.35, 1.6, 2.5, 0.5])
volumes = st.sampled_from([100_000.0, 100_000.0, 150_000.0, 600_000.0, 5_000_000.0, 0.0])
markets = st.lists(st.tuples(closes, volumes), min_size=1, max_size=60).map(
    lambda moves: days(*moves[20:]) if len(moves) > 40 else days(*moves)
)


# Which bar, the close that it has at first, bars until it comes right, and whether it is only late.
spoilt_bars = st.tuples(st.integers(0, 80), closes, st.integers(1, 15), st.booleans())


@settings(deadline=None, max_examples=150)
@given(bars=markets)
def test_it_fires_where_a_slow_reading_of_it_does(bars):
    assert told(bars) == read_slowly(bars)


@settings(deadline=None, max_examples=60)
@given(bars=markets)
def test_its_numbers_follow_from_what_it_cites(bars):
    machine, inputs = engine(), {bar.event_id: bar for bar in bars}
    for alert in of_rule(detect_records(machine, State("exact"), bars).alerts):
        parameters, _, _ = machine.in_force((alert.symbol, alert.timespan), alert.ts_ms)
        check_evidence(select_cited(alert, inputs, {}, parameters, machine.actions, machine.calendar))


@settings(deadline=None, max_examples=60)
@given(bars=markets, cuts=st.lists(st.integers(0, 80), max_size=6))
def test_any_batching_is_one_batch_bit_for_bit(bars, cuts):
    whole = run(bars)
    state, found = State("exact"), []
    for start, end in pairwise([0, *sorted(min(cut, len(bars)) for cut in cuts), len(bars)]):
        part = run(bars[start:end], State.from_bytes(state.to_bytes()))
        state, found = part.state, found + part.alerts
    assert msgspec.json.encode(found) == msgspec.json.encode(whole.alerts)
    assert state.to_bytes() == whole.state.to_bytes()


@settings(deadline=None, max_examples=60)
@given(bars=markets, wrong=st.lists(spoilt_bars, max_size=4))
def test_late_and_corrected_bars_end_in_what_would_have_been_told_at_once(bars, wrong):
    log = list(bars)
    for number, close, later, late in wrong:
        if number >= len(bars) or bars[number] not in log:
            continue
        at = log.index(bars[number])
        spoilt = day(number, close, float(bars[number].volume))
        log[at : at + 1] = [] if late else [spoilt]
        log.insert(min(at + later, len(log)), bars[number])
    at_once, in_the_end = run(bars), run(log)
    assert standing(in_the_end) == standing(at_once)


def standing(detection: Detection) -> dict[str, tuple]:
    """The newest word on every alert of the rule that stands; a correction is told where it changes these."""
    newest = {alert.event_id: alert for alert in of_rule(detection.alerts)}
    return {name: (it.direction, it.value, it.threshold) for name, it in newest.items() if it.status != "retracted"}

"""A series is cut where its ticker changes hands, and goes on where its instrument changes its ticker."""

from __future__ import annotations

import random

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from include.surveillance.detection.columns import BarColumns
from include.surveillance.detection.profiles.build import build_profiles
from include.surveillance.detection.state import State
from include.surveillance.records import Alert, Split, TickerChange
from tests.surveillance.detection.market import DAY, OPEN, SESSIONS, alerts, bar, calm, engine, news, profile, run

NEXT = OPEN + DAY  # 2019-02-15
TAKEN = TickerChange(symbol="FB", new_symbol="META", date="2019-02-15")


def fund(count=40, start=OPEN, **over):
    """The fund that is META until the change: a tenth of the price, a thousandth of the volume."""
    return calm(count, start=start, symbol="META", close=10.0, high=10.1, low=9.9, volume=10, **over)


def market(records):
    """In the order of time, as a log has them."""
    return sorted(records, key=lambda it: (it.ts_ms, it.symbol))


def facts(found, name="FB"):
    """What was found, with all tickers of the instrument called alike."""
    text = msgspec.json.encode(found).decode().replace("META", name)
    return msgspec.json.decode(text)


def company(name, first=40, second=40, gap=1.0, **over):
    """A company's bars of two days; on the second its ticker is ``name``."""
    before = [bar(at, symbol="FB", volume=1000 + at % 7, close=100 + at % 3 / 10, **over) for at in range(first)]
    after = [
        bar(at, symbol=name, start=NEXT, volume=1000 + at % 7, close=gap * (100 + at % 3 / 10), **over)
        for at in range(second)
    ]
    return [*before, *after]


def test_the_series_goes_on_under_the_next_ticker_as_if_nothing_had_been_renamed():
    loud = [bar(40, symbol="META", start=NEXT, volume=90_000)]
    renamed = run(market([*company("META"), *fund(), *loud]), ticker_changes=[TAKEN])
    same = run([*company("FB"), *(msgspec.structs.replace(it, symbol="FB", event_id="") for it in loud)])
    own = [it for it in renamed.metrics if it.symbol == "FB" or it.ts_ms >= NEXT]
    assert facts(own) == facts(same.metrics)
    fired = [it for it in renamed.alerts if it.symbol == "FB" or it.ts_ms >= NEXT]
    # The change itself is what explains an alert of its day.
    assert {(it.tag, it.tag_evidence) for it in fired} == {("corporate action", ("ticker_change|FB|2019-02-15",))}
    plain = [msgspec.structs.replace(it, tag="unexplained", tag_evidence=()) for it in fired]
    assert facts(plain) == facts(same.alerts)
    assert {(it.symbol, it.rule) for it in fired if it.ts_ms >= NEXT} >= {("META", "abnormal_volume")}


def test_evidence_names_bars_by_the_ticker_that_they_had():
    records = [*calm(30, symbol="FB"), *calm(5, start=NEXT, symbol="META"),
               bar(5, symbol="META", start=NEXT, volume=90_000)]  # fmt: skip
    (alert,) = alerts(run(records, ticker_changes=[TAKEN]), "abnormal_volume")
    known = {it.event_id for it in records}
    assert set(alert.event_ids) <= known
    assert {it.split("|")[0] for it in alert.event_ids} == {"FB", "META"}


def test_no_gap_and_no_window_reaches_back_to_another_holder():
    records = market([*fund(), *company("META")])
    assert alerts(run(records, ticker_changes=[TAKEN]), "price_gap") == []
    assert [it.symbol for it in alerts(run(records), "price_gap")] == ["META"]
    cut = run(records, ticker_changes=[TickerChange(symbol="", new_symbol="META", date="2019-02-15")])
    first = [it for it in cut.metrics if it.symbol == "META" and it.ts_ms >= NEXT][:20]
    assert {it.volume_mean for it in first} == {None}
    assert {it.gap for it in first} == {None}


def test_a_real_gap_on_the_day_of_the_change_is_told():
    records = market([*fund(), *company("META", gap=1.1)])
    (gap,) = alerts(run(records, ticker_changes=[TAKEN]), "price_gap")
    assert (gap.symbol, round(gap.value, 2)) == ("META", 0.1)
    assert [it.split("|")[0] for it in gap.event_ids] == ["META", "FB"]
    assert set(gap.event_ids) <= {it.event_id for it in records}


def test_a_reverse_split_with_a_new_ticker_on_its_day_is_no_gap():
    for listed in (["FB"], ["META"], ["FB", "META"]):
        splits = [Split(symbol=it, execution_date="2019-02-15", split_from=10, split_to=1) for it in listed]
        records = market([*fund(), *company("META", gap=10.0)])
        assert alerts(run(records, ticker_changes=[TAKEN], splits=splits), "price_gap") == []


def test_the_other_holders_splits_do_not_count():
    funds = Split(symbol="META", execution_date="2019-02-14", split_from=1, split_to=50)
    records = market([*fund(), *company("META", gap=1.1)])
    found = [run(records, ticker_changes=[TAKEN], splits=given).alerts for given in ([], [funds])]
    assert [it for it in found[0] if it.ts_ms >= NEXT] == [it for it in found[1] if it.ts_ms >= NEXT]


def test_the_profile_goes_on_until_the_next_ticker_has_its_own():
    profiles = [profile(symbol="FB", sessions=7), profile(symbol="META", sessions=9, turnover=1e3)]
    machine = engine(profiles, ticker_changes=[TAKEN], alerting_form="robust")
    assert [machine.in_force(("META", "minute"), at)[1].sessions for at in (OPEN, NEXT)] == [9, 7]
    own = profile(symbol="META", sessions=11, effective_ms=NEXT)
    machine = engine([*profiles, own], ticker_changes=[TAKEN], alerting_form="robust")
    assert machine.in_force(("META", "minute"), NEXT)[1].sessions == 11
    cut = TickerChange(symbol="", new_symbol="META", date="2019-02-15")
    assert engine(profiles, ticker_changes=[cut]).in_force(("META", "minute"), NEXT)[1] is None


def test_a_profile_is_built_of_the_instruments_bars_under_all_its_tickers():
    days = [OPEN + day * DAY for day in (-2, -1, 0, 1)]  # Tuesday to Friday
    bars = [bar(at, symbol="META" if day == NEXT else "FB", start=day) for day in days for at in range(390)]
    others = [it for day in days[:3] for it in fund(390, start=day)]
    built = {
        changes: build_profiles(
            BarColumns.from_records(market([*bars, *others])),
            SESSIONS,
            effective_ms=NEXT + DAY // 2,
            actions=engine(ticker_changes=changes).actions,
        )
        for changes in ((), (TAKEN,))
    }
    assert [(it.symbol, it.sessions) for it in built[TAKEN,]] == [("META", 4)]
    assert {it.symbol for it in built[()]} == {"FB", "META"}


def test_a_bar_that_comes_late_goes_to_who_held_the_ticker_on_its_day():
    late = bar(39, symbol="META", close=10.0, high=10.1, low=9.9, volume=10)
    records = market([*fund(39), *company("META")])
    found = run([*records, late], ticker_changes=[TAKEN])
    in_time = run(market([*records, late]), ticker_changes=[TAKEN])
    assert found.counts["late"] == 0  # it carries the fund's series on
    assert found.state.to_bytes() == in_time.state.to_bytes()


def test_news_of_the_other_holder_explains_nothing():
    loud = [bar(at, symbol="META", start=NEXT, volume=90_000) for at in range(40, 42)]
    records = [*market([*fund(), *company("META"), *loud])]
    assert alerts(run([news(20, symbol="META"), *records], ticker_changes=[TAKEN]), "news_impact") == []


def test_silence_is_no_alert_after_a_delisting():
    gone = TickerChange(symbol="FB", new_symbol="", date="2019-02-15")
    assert engine(ticker_changes=[gone]).actions.is_given_up("FB", 17_942)
    assert not engine(ticker_changes=[gone]).actions.is_given_up("FB", 17_941)


@given(st.integers(0, 10_000), st.integers(1, 60), st.sampled_from(["META", "AA", "FB"]))
@settings(max_examples=15, deadline=None)
def test_however_the_log_is_cut_into_batches(seed, size, taken):
    dice = random.Random(seed)
    change = TickerChange(symbol="FB", new_symbol=taken, date="2019-02-15")
    records = market([*company(taken, 30, 30), *fund(30)])
    for _ in range(6):
        at = dice.randrange(len(records))
        corrected = msgspec.structs.replace(records[at], volume=records[at].volume * 40, revision="", event_id="")
        records.insert(min(at + dice.randrange(40), len(records)), corrected)
    given_changes = [change] if taken != "FB" else []
    whole = run(records, State("sketch"), ticker_changes=given_changes)
    state, found = State("sketch"), []
    for start in range(0, len(records), size):
        part = run(records[start : start + size], state, ticker_changes=given_changes)
        state, found = part.state, [*found, *part.alerts]
    assert state.to_bytes() == whole.state.to_bytes()
    assert newest(found) == newest(whole.alerts)


def newest(found: list[Alert]):
    return {it.event_id: (it.value, it.threshold, it.firings, it.event_ids) for it in found}


def test_the_change_counts_from_its_date_on():
    change = TickerChange(symbol="FB", new_symbol="META", date="2019-02-16")
    found = alerts(run(market([*fund(), *company("META")]), ticker_changes=[change]), "price_gap")
    assert [it.symbol for it in found] == ["META"]

"""What an alert says follows from what it cites: its event ids, its profile, its parameters, its own fields."""

from __future__ import annotations

import dataclasses
import re
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from include.surveillance.alerts import wording
from include.surveillance.detection.corporate_actions import CorporateActions
from include.surveillance.detection.engine import Engine
from include.surveillance.detection.log_pass import detect_records
from include.surveillance.detection.news_relevance import measure_relevance
from include.surveillance.detection.parameters.book import ParameterBook
from include.surveillance.detection.parameters.values import Parameters
from include.surveillance.detection.rules.literal.price_breakout import LiteralPriceBreakout
from include.surveillance.detection.rules.literal.volatility_spike import LiteralVolatilitySpike
from include.surveillance.detection.rules.registry import TAILED
from include.surveillance.detection.slots import lay_out_slots
from include.surveillance.detection.state import State
from include.surveillance.records import Alert, Bar, Dividend, NewsItem, Profile, Split, Tail, TickerChange, Watermark
from include.surveillance.sessions import Sessions
from include.surveillance.studies.evidence import Cited, EvidenceError, check_evidence, recompute, select_cited
from include.surveillance.timespans import MINUTE_MS

OPEN = 1_550_154_600_000  # 2019-02-14 14:30 UTC, an XNYS open
DAY = 24 * 60
SESSIONS = Sessions()
SLOTS = lay_out_slots("minute", 390, extended=True).total
RULES = Parameters(
    volatility_spike=LiteralVolatilitySpike(minimum_history=5), price_breakout=LiteralPriceBreakout(buffer=0.25)
)
SPLITS = (Split(symbol="A", execution_date="2019-02-15", split_from=1, split_to=3),)
BASE = [1e-4, 0.37, 100.0, 700_000.0]
"""Prices at which shares trade."""


# The auction at the close, and how many times the shares of another minute it has.
CLOSE, AUCTION = 390, 40
# A price at its band, and how many minutes nothing trades then; behind how many bars.
PAUSE, PAUSED_AT = (60, 6), 52
CHANGES = (TickerChange(symbol="A", new_symbol="C", date="2019-02-15"),)


def profile(scale: float, date: str, minute: int, symbol: str = "A", **carried) -> Profile:
    """Held against the generated bars it finds bursts, spells, breakouts and gaps."""
    return Profile(
        symbol=symbol,
        timespan="minute",
        effective_ms=OPEN + minute * MINUTE_MS,
        first_date="2019-01-15",
        last_date=date,
        sessions=20,
        volume_level=[5.0 + slot / SLOTS for slot in range(SLOTS)],
        volume_scale=[0.3 + slot / SLOTS for slot in range(SLOTS)],
        return_factor=[0.5 + slot / SLOTS for slot in range(SLOTS)],
        presence=[0.9] * SLOTS,
        volatility_fire=0.002,
        volatility_clear=0.001,
        range_percent=0.01,
        turnover=1e6 * scale,
        liquidity="mid",
        **carried,
    )


def tail(rule: str, least: float) -> Tail:
    return Tail(rule=rule, part="regular", sessions=40, scores=[], levels=[least * 1.3**k for k in range(11)])


# The second knows tails, and of gaps and of the hours around the session what the rules hold for rare.
TAILS = [tail("abnormal_volume", 1.0), tail("volatility_spike", 0.4), tail("price_breakout", 0.3)]
PROFILES = {
    "literal": [],
    "robust": [
        profile(1, "2019-02-13", -DAY),
        profile(2, "2019-02-14", DAY - 330, carried=40, range_long=0.01, tails=TAILS),
    ],
}
steps = st.tuples(
    st.sampled_from([0, 0, 0, 1, -1, 4, -4, 15, -20]),  # thousandths of the price, from close to close
    st.sampled_from([0, 1, 2, 5]),  # thousandths of room around both
    st.sampled_from([100, 110, 120, 3_000, 90_000, 2_000_000]),
    st.sampled_from([1, 1, 1, 1, 1, 2, 7]),  # minutes to the next
)
# Of prices at a band, and how long nothing trades then.
halts = st.tuples(st.sampled_from([60, -60, 150]), st.just(2), st.just(90_000), st.sampled_from([6, 9, 14]))


@st.composite
def logs(draw, base: float) -> list[Bar | NewsItem | Watermark]:
    """Two days from the pre-market or from before the close on, with halts, corrections, late bars, articles and
    watermarks among the bars; in the night the ticker may change."""
    log: list[Bar | NewsItem | Watermark] = []
    later = draw(st.sampled_from("AC"))
    for symbol, minute in (("A", draw(st.sampled_from([-25, 350]))), (later, DAY - 25)):
        pattern, close = (
            draw(st.lists(steps | halts, min_size=2, max_size=25)),
            base * draw(st.sampled_from([1.0, 0.93])),
        )
        # Only where bars are seldom missing, five missing ones say something.
        paused = draw(st.booleans())
        for number in range(70 if paused else draw(st.sampled_from([40, 70]))):
            move, room, volume, ahead = pattern[number % len(pattern)]
            if minute == CLOSE:
                volume *= AUCTION
            if paused:
                move, ahead = PAUSE if number == PAUSED_AT else (move, 1)
            opening, close = close, close * (1 + move / 1_000) if 0.2 < close / base < 5 else base
            log.append(
                Bar(
                    symbol=symbol,
                    timespan="minute",
                    ts_ms=OPEN + minute * MINUTE_MS,
                    open=opening,
                    high=max(opening, close) * (1 + room / 1_000),
                    low=min(opening, close) * (1 - room / 1_000),
                    close=close,
                    volume=Decimal(volume),
                    polled_ms=OPEN + (minute + 1) * MINUTE_MS,
                )
            )
            # The closing auction is always among them.
            minute = CLOSE if minute < CLOSE < minute + ahead else minute + ahead
        for _ in range(draw(st.integers(0, 4))):
            at = draw(st.integers(max(len(log) - 30, 0), len(log) - 1))
            if type(bar := log[at]) is Bar:
                # The one that was there comes again behind others, corrected; half of the time it was missing.
                log[at] = watermark(bar) if draw(st.booleans()) else changed(bar, draw(steps)[2])
                log.insert(min(at + draw(st.integers(1, 12)), len(log)), bar)
    for _ in range(draw(st.integers(0, 5))):
        at = draw(st.integers(0, len(log) - 1))
        if type(bar := log[at]) is Bar:
            log.insert(at, article(bar, draw(st.integers(-12, 5)), draw(st.sampled_from("abc"))))
    return log


def changed(bar: Bar, volume: int) -> Bar:
    return replace(bar, volume=Decimal(volume), high=bar.high * 1.01, revision="", event_id="")


def watermark(bar: Bar) -> Watermark:
    as_of_ms = bar.close_ms + 20 * MINUTE_MS
    return Watermark(symbol=bar.symbol, timespan="minute", from_ms=bar.ts_ms, as_of_ms=as_of_ms, bars=2, rejected=1)


def article(bar: Bar, minutes: int, name: str) -> NewsItem:
    tickers = (bar.symbol, *{"a": "", "b": "B", "c": "BD"}[name])
    published_ms = bar.ts_ms + minutes * MINUTE_MS - 1_500
    return NewsItem(
        symbol=bar.symbol, company="Agilent Technologies Inc.", article_id=f"{name}{bar.ts_ms}",
        published_ms=published_ms,
        title=f"{name} day for Agilent" if name == "c" else f"Bad day {name}", tickers=tickers, sentiment="negative",
    )  # fmt: skip


def detect(log, form: str, base: float) -> tuple[Engine, list[Alert]]:
    dividend = Dividend(symbol="A", ex_date="2019-02-15", cash_amount=0.0075 * base)
    changed = any(record.symbol == "C" for record in log)
    actions = CorporateActions(SPLITS, (dividend,), CHANGES if changed else ())
    profiles = [replace(it, symbol="C") if changed and it.effective_ms > OPEN else it for it in PROFILES[form]]
    engine = Engine(ParameterBook(replace(RULES, alerting_form=form)), SESSIONS, actions, profiles)
    return engine, detect_records(engine, State("sketch"), log).alerts


def cite(engine: Engine, alert: Alert, inputs: dict):
    parameters, _, _ = engine.in_force((alert.symbol, alert.timespan), alert.ts_ms)
    profiles = {one.version: one for one in engine.profiles}
    return select_cited(alert, inputs, profiles, parameters, engine.actions, engine.calendar)


SEEN: set[tuple[str | None, str]] = set()


@pytest.mark.parametrize("form", ["literal", "robust"])
@settings(deadline=None, max_examples=40)
@given(data=st.data())
def test_value_and_threshold_follow_from_what_an_alert_cites_and_the_sentence_from_both(form, data):
    follow(form, data)


def follow(form: str, data: st.DataObject) -> None:
    base = data.draw(st.sampled_from(BASE))
    log = data.draw(logs(base))
    inputs = {record.event_id: record for record in log}
    engine, alerts = detect(log, form, base)
    for alert in alerts:
        cited = cite(engine, alert, inputs)
        check_evidence(cited)
        assert len(set(alert.event_ids)) == len(alert.event_ids)
        says(alert, cited)
        SEEN.update((what, alert.form) for what in (alert.rule, alert.hole_cause, alert.symbol, alert.session_phase))
        if alert.rarity_sessions is not None:
            SEEN.add((f"rarity of {alert.rule}", alert.form))


CLOCK, DATE = r"\d\d:\d\d(?::\d\d)?", r"\d{4}-\d\d-\d\d"


def says(alert: Alert, cited: Cited) -> None:
    """Each number and each clock of a sentence is one of the alert's, of what it cites, or of its parameters."""
    text = re.sub('".*"', "", alert.explanation)  # a title says what it likes
    if alert.status == "ended":
        text = text.rpartition("; not again up to")[0]  # nor is when it was over
    if alert.hole_cause is not None:
        text = text.rpartition("; ")[0]  # a hole is no part of what was measured
    if alert.rarity_sessions is not None:
        text, rare, _ = text.rpartition(f"; {wording.rarity(alert.rarity_sessions)} for this symbol")
        assert rare, alert.explanation
    assert "this symbol" not in text
    moments = {alert.ts_ms, alert.bar_close_ms, alert.window_start_ms, alert.window_end_ms}
    moments |= {bar.ts_ms for bar in cited.bars}
    moments |= {moment for moment in (alert.hole_start_ms, alert.hole_end_ms) if moment is not None}
    clocks = {clock for moment in moments for clock in re.findall(CLOCK, wording.clock(moment))}
    assert set(re.findall(CLOCK, text)) <= clocks, text
    assert set(re.findall(DATE, text)) <= {alert.session_date, *map(wording.date, moments)}, text
    bare = re.sub(f"{DATE}|{CLOCK}", "", text)
    assert not re.search(r"\d[eE][+-]?\d", bare), text
    known = list(map(abs, numbers_of(alert, cited)))
    for number in re.findall(r"(?<![\w.])\d[\d,]*(?:\.\d+)?", bare):
        read = float(number.replace(",", ""))
        assert any(read == pytest.approx(one, rel=6e-3) for one in known), (number, text)
    if alert.rule in ("price_breakout", "price_gap"):
        price, level = re.findall(r"(?:ed at |\()([\d,.]*\d)", text)[:2]
        assert float(price.replace(",", "")) != float(level.replace(",", "")), text


def numbers_of(alert: Alert, cited: Cited) -> list[float]:
    numbers = [alert.value, alert.threshold, 100 * alert.value, 100 * alert.threshold]
    if alert.hole_start_ms is not None:
        numbers.append((alert.hole_end_ms - alert.hole_start_ms) / MINUTE_MS)
    for rules in (cited.parameters, cited.parameters.robust):
        if rule := getattr(rules, alert.rule, None):
            numbers += [value for name in rule.__struct_fields__ if type(value := getattr(rule, name)) in (int, float)]
    if alert.form == "robust" and alert.rule in TAILED:
        numbers.append(cited.limit(getattr(cited.parameters.robust, alert.rule)))
    if alert.baseline is not None:
        numbers += [alert.baseline, 100 * alert.baseline, alert.value / (alert.baseline or 1.0)]
    if cited.article:
        as_volume = dataclasses.replace(cited, alert=replace(alert, rule="abnormal_volume"))
        numbers += [*recompute(as_volume), measure_relevance(cited.article)]
        numbers.append((alert.ts_ms - cited.article.published_ms) / MINUTE_MS)
        numbers.append((cited.bar.close_ms - cited.bars[-1].ts_ms) / MINUTE_MS)
    if alert.rule == "abnormal_volume":
        numbers.append((alert.window_end_ms - alert.window_start_ms) / MINUTE_MS)
    if alert.rule == "price_gap":
        numbers += [cited.bar.open, 100 * (cited.bar.open / alert.baseline - 1)]
    if alert.rule == "price_breakout":
        numbers.append(cited.parameters.price_breakout.window)
    if cited.watermark:
        numbers += [cited.watermark.bars + cited.watermark.rejected, 100 * PROFILES["robust"][0].presence[0]]
    return numbers


@pytest.mark.parametrize("form", ["literal", "robust"])
@settings(deadline=None, max_examples=15)
@given(data=st.data())
def test_what_is_not_what_was_measured_is_found(form, data):
    """A cited bar with other values gives another value or threshold, or another window."""
    log = data.draw(logs(100.0))
    inputs = {record.event_id: record for record in log}
    engine, alerts = detect(log, form, 100.0)
    for alert in alerts:
        if alert.rule in ("news_impact", "feed_freshness", "data_quality"):
            continue
        cited = cite(engine, alert, inputs)
        now = changed_prices(cited.bar)
        with pytest.raises(EvidenceError, match="what it cites gives"):
            check_evidence(dataclasses.replace(cited, bars=[now, *cited.bars[1:]]))
        earlier = replace(now, ts_ms=cited.bars[-1].ts_ms - MINUTE_MS)
        with pytest.raises(EvidenceError):
            check_evidence(dataclasses.replace(cited, bars=[*cited.bars, earlier]))
    for alert in alerts[:1]:
        with pytest.raises(EvidenceError, match="is not among the inputs"):
            cite(engine, alert, {})


def test_news_about_a_renamed_company_cites_each_bar_under_the_ticker_of_its_day():
    def bar(symbol: str, minute: int, volume: int) -> Bar:
        flat = dict.fromkeys(("open", "high", "low", "close"), 100.0)
        ts_ms = OPEN + minute * MINUTE_MS
        return Bar(symbol=symbol, timespan="minute", ts_ms=ts_ms, volume=Decimal(volume), **flat)

    before, burst = [bar("A", minute, 100) for minute in range(25)], bar("C", DAY, 90_000)
    log = [*before, article(burst, -2, "a"), burst]
    engine, alerts = detect(log, "literal", 100.0)
    (news,) = [alert for alert in alerts if alert.rule == "news_impact"]
    cited = cite(engine, news, {record.event_id: record for record in log})
    assert [it.symbol for it in cited.bars] == ["C", *["A"] * 20]
    check_evidence(cited)


def changed_prices(bar: Bar) -> Bar:
    prices = {name: getattr(bar, name) * 1.5 for name in ("open", "high", "low", "close")}
    return replace(bar, volume=bar.volume * 2, **prices)


def test_every_rule_is_among_them():
    """Runs after the property, and as far on as it takes: a rule that never fired would prove nothing, nor would a
    market of one kind."""
    rules = {"abnormal_volume", "volatility_spike", "price_breakout", "price_gap", "news_impact", "feed_freshness"}
    markets = {"halt", "LULD pause", "C", "pre", "regular", "closing_auction", "post"}
    wanted = {(rule, form) for rule in rules for form in ("literal", "robust")} | {("data_quality", "literal")}
    wanted |= {(market, "literal") for market in markets}
    wanted |= {(f"rarity of {rule}", "robust") for rule in TAILED}

    go_on = settings(deadline=None, max_examples=100)(given(st.sampled_from(["literal", "robust"]), st.data())(follow))
    for _ in range(12):
        if not wanted <= SEEN:
            go_on()
    assert wanted - SEEN == set()

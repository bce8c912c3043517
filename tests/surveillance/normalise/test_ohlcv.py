"""Bars from whatever the vendor sends: kept to the last value, left out while they grow, or rejected with a reason."""

from __future__ import annotations

import base64
import json
from decimal import Decimal

import pytest

from include.surveillance import normalise
from include.surveillance.records import Bar, Reject, Watermark
from tests.surveillance.normalise.payloads import END, MINUTE, START, needs_recorded, payload, recorded

GOOD = {"t": START, "o": 10.5, "h": 11, "l": 10, "c": 10.25, "v": 1200, "vw": 10.4, "n": 17}


def reject(**changes) -> Reject:
    """The one reject that a bar with these changes becomes."""
    fields = {name: value for name, value in (GOOD | changes).items() if value is not ...}
    rejected, watermark = normalise.bars(payload(fields), source="live")
    assert isinstance(rejected, Reject)
    assert (watermark.bars, watermark.rejected, watermark.reject_reasons) == (0, 1, (rejected.reason,))
    assert json.loads(rejected.raw) == json.loads(json.dumps(fields))
    return rejected


def market(*tickers: dict | bytes, **question) -> list[Bar | Reject | Watermark]:
    """A snapshot's records about AAPL and MSFT in the minute from START."""
    return normalise.snapshot(
        payload(*tickers, symbols=(), timespan=None, **question), ["AAPL", "MSFT"], START, START + MINUTE, source="live"
    )


def newest(ticker: str = "AAPL", **changes) -> dict:
    minute = GOOD | {"av": 5_000, "dv": "1200.0"} | changes
    return {
        "ticker": ticker,
        "day": {"c": 0, "v": 0},
        "min": minute,
        "updated": START * 1_000_000,
        "todaysChange": -0.1,
    }


# --- a snapshot of the market


def test_a_snapshot_is_a_bar_and_a_watermark_of_each_watched_symbol():
    bar, *watermarks = market(newest("MSFT"), newest("XYZ"), newest("AAPL", t=START - MINUTE))
    (alone, _) = normalise.bars(payload(GOOD, symbols=("MSFT",)), source="live")
    assert bar == alone
    assert [(mark.symbol, mark.from_ms, mark.as_of_ms, mark.bars) for mark in watermarks] == [
        ("AAPL", START, START + MINUTE, 0),
        ("MSFT", START, START + MINUTE, 1),
    ]


@pytest.mark.parametrize(
    "ticker",
    [
        newest(t=START - MINUTE),
        newest(t=0),
        {"ticker": "AAPL", "min": dict.fromkeys("ohlcvtn", 0) | {"vw": 0, "av": 0}},
        {"ticker": "AAPL"},
        {"ticker": "AAPL", "min": None},
    ],
)
def test_no_trade_in_the_minute_is_no_reject(ticker):
    assert [(type(record), record.symbol, record.bars) for record in market(ticker)] == [
        (Watermark, "AAPL", 0),
        (Watermark, "MSFT", 0),
    ]


@pytest.mark.parametrize(
    ("ticker", "reason"),
    [
        (newest(h=9), "high below low"),
        (newest(v=-1), "negative volume"),
        (newest(t=START + 1), "off the grid"),
        (newest(t="soon"), "t unusable"),
        (newest(t=-1), "time out of range (18 February 1970 to 2099)"),
        (newest(t=START // 1_000), "time in seconds, not milliseconds"),
        (newest(t=START + MINUTE), "later minute"),
        (newest(t=END + MINUTE), "future stamp"),
        ({"ticker": "AAPL", "min": 5}, "not an object"),
    ],
)
def test_an_unusable_minute_is_a_reject_of_its_symbol_alone(ticker, reason):
    bar, rejected, apple, microsoft = market(ticker, newest("MSFT"))
    assert (bar.symbol, rejected.symbol, rejected.reason) == ("MSFT", "AAPL", reason)
    assert json.loads(rejected.raw) == ticker
    assert (apple.bars, apple.rejected, apple.reject_reasons) == (0, 1, (reason,))
    assert (microsoft.bars, microsoft.rejected) == (1, 0)


def test_a_ticker_that_comes_twice_counts_once():
    bar, rejected, apple, _ = market(newest(), newest(c=10.5))
    assert (bar.close, rejected.reason) == (10.5, "duplicate bar with other values")
    assert (apple.bars, apple.rejected) == (1, 1)


@pytest.mark.parametrize(("raw", "reason"), [(b"{", "not JSON"), (b"[]", "no ticker"), (b'{"ticker": 5}', "no ticker")])
def test_what_names_no_ticker_is_a_reject_of_nobody(raw, reason):
    rejected, *watermarks = market(raw)
    assert (rejected.symbol, rejected.reason, rejected.raw) == (None, reason, raw.decode())
    assert [mark.rejected for mark in watermarks] == [0, 0]


# --- bars


def test_a_bar_keeps_every_value():
    bar, watermark = normalise.bars(payload(GOOD), source="backfill")
    assert bar == Bar(
        symbol="AAPL",
        timespan="minute",
        ts_ms=START,
        open=10.5,
        high=11.0,
        low=10.0,
        close=10.25,
        volume=Decimal(1200),
        vwap=10.4,
        trades=17,
        source="backfill",
        polled_ms=END + 2_000,
    )
    assert watermark == Watermark(
        symbol="AAPL", timespan="minute", from_ms=START, as_of_ms=END, bars=1, source="backfill", polled_ms=END + 2_000
    )


def test_no_result_is_a_watermark_alone():
    (watermark,) = normalise.bars(payload(), source="live")
    assert (watermark.bars, watermark.as_of_ms, watermark.status) == (0, END, "OK")


def test_bars_come_in_time_order_and_the_watermark_last():
    late, early = GOOD | {"t": START + MINUTE}, GOOD
    records = normalise.bars(payload(late, GOOD | {"h": 1}, early), source="live")
    assert [type(record) for record in records] == [Bar, Bar, Reject, Watermark]
    assert [record.ts_ms for record in records[:2]] == [START, START + MINUTE]


def test_an_incomplete_bar_is_left_for_the_next_poll():
    complete, growing = GOOD | {"t": END - MINUTE}, GOOD | {"t": END}
    bar, watermark = normalise.bars(payload(complete, growing), source="live")
    assert bar.ts_ms == END - MINUTE
    assert watermark.rejected == 0


def test_a_delayed_entitlement_shows_on_bar_and_watermark():
    bar, watermark = normalise.bars(payload(GOOD, status="DELAYED"), source="live")
    assert bar.delayed
    assert watermark.status == "DELAYED"


@pytest.mark.parametrize(
    ("text", "volume"),
    [
        ("1200", "1200"),
        ("9099.618093", "9099.618093"),
        ("1.029145e+06", "1029145"),
        ('"12.5"', "12.5"),
        ("0.000001", "0.000001"),
    ],
)
def test_volume_in_every_shape_the_vendor_has_sent(text, volume):
    raw = json.dumps(GOOD).replace("1200", text).encode()
    bar, _ = normalise.bars(payload(raw), source="live")
    assert str(bar.volume) == volume


def test_floating_point_dust_on_a_volume_is_dropped():
    bar, _ = normalise.bars(payload(json.dumps(GOOD).replace("1200", "100.00000000000001").encode()), source="live")
    assert bar.volume == Decimal("100.000000")


def test_vwap_outside_the_range_is_kept_because_odd_lots_count_in_it():
    bar, _ = normalise.bars(payload(GOOD | {"vw": 12.0}), source="live")
    assert bar.vwap == 12.0


OPTIONAL = [0, -1, None, "", "-", "N/A", "NaN", 1e300, [1], {}, True, 2**53]


@pytest.mark.parametrize("name", ["vw", "n", "otc"])
@pytest.mark.parametrize("value", [*OPTIONAL, 1.5])
def test_what_is_optional_never_costs_a_bar(name, value):
    bar, watermark = normalise.bars(payload(GOOD | {name: value}), source="live")
    assert (bar.ts_ms, bar.close, watermark.rejected) == (START, 10.25, 0)
    vwap = 1.5 if value == 1.5 else None
    assert bar.vwap == (vwap if name == "vw" else 10.4)
    assert bar.trades == ((0 if value == 0 and value is not True else None) if name == "n" else 17)


@pytest.mark.parametrize("volume", [0, 0.0, "0", "-0", 1e-7, "1e-400"])
def test_a_bar_without_a_trade_is_none_and_nothing_that_is_wrong(volume):
    rejected, watermark = normalise.bars(payload(GOOD | {"v": volume}), source="live")
    assert (rejected.reason, watermark.bars, watermark.rejected, watermark.reject_reasons) == ("no trade", 0, 0, ())


@pytest.mark.parametrize("name", list("tohlcv"))
def test_a_number_may_come_as_text(name):
    bar, _ = normalise.bars(payload(GOOD | {name: f" {GOOD[name]} "}), source="live")
    (as_number, _) = normalise.bars(payload(GOOD), source="live")
    assert bar == as_number


@pytest.mark.parametrize("gone", ["vw", "n"])
def test_vwap_and_trades_are_optional(gone):
    bar, _ = normalise.bars(payload({k: v for k, v in GOOD.items() if k != gone}), source="live")
    assert (bar.vwap is None) == (gone == "vw")
    assert (bar.trades is None) == (gone == "n")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"h": 9}, "high below low"),
        ({"o": 12}, "open outside low-high"),
        ({"c": 9.99}, "close outside low-high"),
        ({"o": -1}, "price not positive"),
        ({"l": 0}, "price not positive"),
        ({"h": 10**400}, "price not finite"),
        ({"c": "ten"}, "c unusable"),
        ({"h": 1e300}, "price too large"),
        ({"c": True}, "c unusable"),
        ({"c": ...}, "c missing"),
        ({"c": None}, "c missing"),
        ({"v": -5}, "negative volume"),
        ({"v": "NaN"}, "volume not finite"),
        ({"v": "many"}, "v unusable"),
        ({"v": "1e30"}, "volume too large"),
        ({"v": ...}, "v missing"),
        ({"t": ...}, "t missing"),
        ({"t": "soon"}, "t unusable"),
        ({"t": START // 1_000}, "time in seconds, not milliseconds"),
        ({"t": START * 1_000}, "time in microseconds, not milliseconds"),
        ({"t": START * 10**6}, "time in nanoseconds, not milliseconds"),
        ({"t": 5}, "time out of range (18 February 1970 to 2099)"),
        ({"t": START + 1}, "off the grid"),
        ({"t": START - MINUTE}, "outside the asked range"),
        ({"t": START - 365 * 86_400_000}, "outside the asked range"),
        ({"t": END + MINUTE}, "future stamp"),
    ],
)
def test_an_unusable_bar_is_rejected_with_a_countable_reason(changes, reason):
    assert reject(**changes).reason == reason


@pytest.mark.parametrize("number", ["NaN", "Infinity", "1e999", "-Infinity"])
def test_numbers_that_are_none_are_rejected(number):
    raw = json.dumps(GOOD).replace("10.25", number).encode()
    rejected, _ = normalise.bars(payload(raw), source="live")
    assert rejected.reason == "price not finite"
    assert rejected.raw == raw.decode(), "as received"


@pytest.mark.parametrize(
    ("raw", "reason"),
    [(b"[1]", "not an object"), (b"null", "not an object"), (b"{", "not JSON"), (b"[" * 10**5, "not JSON")],
)
def test_a_result_that_is_no_object_is_rejected(raw, reason):
    rejected, _ = normalise.bars(payload(raw), source="live")
    assert rejected.reason == reason


def test_bytes_that_are_no_text_travel_as_base64():
    rejected, _ = normalise.bars(payload(b'{"t": "\xff"}'), source="live")
    assert rejected.encoding == "base64"
    assert base64.b64decode(rejected.raw) == b'{"t": "\xff"}'


def test_the_last_of_two_bars_with_one_start_counts():
    bar, rejected, watermark = normalise.bars(payload(GOOD, GOOD | {"c": 10.75}), source="live")
    assert bar.close == 10.75
    assert rejected.reason == "duplicate bar with other values"
    assert json.loads(rejected.raw) == GOOD
    assert (watermark.bars, watermark.rejected) == (1, 1)


def test_the_same_bar_twice_is_told_apart_from_a_contradiction():
    _, rejected, _ = normalise.bars(payload(GOOD, GOOD), source="live")
    assert rejected.reason == "duplicate bar"


def test_a_future_stamp_is_measured_against_the_poll():
    far = GOOD | {"t": END + 60 * MINUTE}
    (rejected, _) = normalise.bars(payload(far), source="live")
    assert rejected.reason == "future stamp"
    (rejected, _) = normalise.bars(payload(far, polled_ms=END + 86_400_000), source="live")
    assert rejected.reason == "outside the asked range"


def test_a_longer_bar_that_holds_the_start_of_the_range_is_in_it():
    hour = START // 3_600_000 * 3_600_000
    question = {"timespan": "hour", "to_ms": START + 2 * 3_600_000, "polled_ms": START + 3 * 3_600_000}
    bar, _ = normalise.bars(payload(GOOD | {"t": hour}, **question), source="live")
    assert bar.ts_ms == hour


@pytest.mark.parametrize("day", [1_550_120_400_000, 1_562_126_400_000])
def test_a_day_starts_at_midnight_in_new_york_summer_and_winter(day):
    question = {"timespan": "day", "from_ms": day, "to_ms": day + 86_400_000, "polled_ms": day + 2 * 86_400_000}
    bar, _ = normalise.bars(payload(GOOD | {"t": day}, **question), source="live")
    assert bar.ts_ms == day


def test_the_same_bar_polled_again_has_the_same_id_and_a_correction_another():
    first, again, corrected = (
        normalise.bars(payload(values, polled_ms=END + delay), source="live")[0]
        for values, delay in ((GOOD, 1), (GOOD | {"v": 1200.0}, 60_001), (GOOD | {"v": 1300}, 60_001))
    )
    assert first.event_id == again.event_id
    assert first.event_id != corrected.event_id


# --- what the vendor really sent


@needs_recorded
def test_recorded_day_bars_across_the_change_of_the_clock():
    asked = {"timespan": "day", "from_ms": 1_112_331_600_000, "to_ms": 1_112_760_000_000, "polled_ms": 2**41}
    records = normalise.bars(
        recorded("v2_aggs_ticker_AAPL_range_1_day_2005-04-01_2005-04-04.json", **asked), source="live"
    )
    assert [type(record) for record in records] == [Bar, Bar, Watermark]

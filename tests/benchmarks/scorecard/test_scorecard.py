"""The scorecard counts what is told, and says the same of product and yardsticks."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from msgspec import structs
from typer.testing import CliRunner

from include.surveillance.detection.positions import date_ordinal, iso_date
from include.surveillance.records import Alert
from include.surveillance.sessions import Session, Sessions
from include.surveillance.timespans import MINUTE_MS, new_york_midnight
from tests.benchmarks.scorecard import __main__ as scorecard
from tests.benchmarks.scorecard.burst_hits import USED_TO
from tests.benchmarks.scorecard.documented import DAYS, RESULTS
from tests.benchmarks.scorecard.held_against import PRODUCT, Recorded, hold_against
from tests.benchmarks.scorecard.moves import CLOSE, GAP, list_moves
from tests.benchmarks.scorecard.raised import list_raised, place_alerts
from tests.benchmarks.scorecard.recorded_days import AlertDays, RecordedDays, count_hits
from tests.benchmarks.scorecard.yardsticks import YARDSTICKS

SESSIONS = Sessions()
BETWEEN = {
    "minute_2019feb": ("2019-01-31", "2019-02-16"),
    "minute_2023jan": ("2023-01-02", "2023-01-13"),
    "minute15_2019": ("2019-01-13", "2019-02-20"),
    "day_2018_2019": ("2018-09-01", "2019-02-16"),
    "day_sp500_2009_2010": ("2010-01-01", "2010-07-01"),
    "day_msft_2000_2013": ("2002-09-01", "2003-04-01"),
    "day_microcaps_2025": ("2025-01-01", "2025-07-01"),
}
SYMBOLS = {"day_msft_2000_2013": ["MSFT"], "minute15_2019": ["AMZN", "KO", "PEP"]}
JUMP = 0.3


def make_bars(name: str, jumps: list[tuple[str, str]]) -> pd.DataFrame:
    """A calm market, in which some symbols jump and trade twenty times the usual on some dates."""
    random, tables = np.random.default_rng(len(name)), []
    timespan = "day" if name.startswith("day") else "15minute" if name.startswith("minute15") else "minute"
    days: list[Session] = SESSIONS.between(*BETWEEN[name])
    step, count = {"day": (0, 1), "15minute": (15, 26), "minute": (1, 60)}[timespan]
    for symbol in SYMBOLS.get(name, ["AMZN", "PG", "PM"]):
        starts = [new_york_midnight(it.date) if timespan == "day" else it.open_ms for it in days]
        ts = np.concatenate([start + MINUTE_MS * step * np.arange(count) for start in starts])
        returns = random.normal(0, 0.01 / np.sqrt(count), len(ts))
        volume = random.lognormal(11, 0.3, len(ts)).round()
        jumped = np.repeat([(symbol, it.date) in jumps for it in days], count)
        volume[jumped] *= 20
        returns[np.flatnonzero(jumped)[::count]] += JUMP
        close = 40 * np.exp(np.cumsum(returns))
        opened = np.concatenate([close[:1], close[:-1]])
        opened[jumped] = close[jumped]
        prices = {"open": opened, "high": np.maximum(opened, close), "low": np.minimum(opened, close), "close": close}
        tables.append(pd.DataFrame({"symbol": symbol, "ts_ms": ts, **prices, "volume": volume, "timespan": timespan}))
    return pd.concat(tables, ignore_index=True)


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    for name in BETWEEN:
        make_bars(name, [(day.symbol, day.date) for day in DAYS]).to_parquet(folder / f"{name}.parquet")
    results = [("PG", "2010-05-06"), ("PM", "2010-05-06"), ("PG", "2010-06-09"), ("GONE", "2010-05-06")]
    pd.DataFrame(results, columns=["symbol", "date"]).to_csv(folder / scorecard.RESULTS_DAYS, index=False)
    signals = pd.DataFrame({"symbol": ["AMZN"], "signal_date": "2025-05-06", "classification": "confirmed_pump"})
    signals.to_csv(folder / scorecard.SIGNALS, index=False)
    return folder


@pytest.fixture(scope="module")
def results(data) -> dict:
    return scorecard.measure(data, 1, lambda line: None)


def test_every_yardstick_raises_as_many_alerts_as_the_product(data):
    recorded = Recorded.read(data / f"{scorecard.SP500}.parquet", SESSIONS)
    raised = recorded.run(0.1)
    held = hold_against(raised, raised.yardsticks())
    assert list(held.alerts) == [PRODUCT, *YARDSTICKS]
    assert len({len(alerts.key) for alerts in held.alerts.values()}) == 1
    assert len(held.alerts[PRODUCT].key) >= 2
    for name, alerts in held.alerts.items():
        inside = alerts.key >= 0
        assert raised.days.are_judged(alerts.key[inside]).all(), name


def test_a_larger_budget_raises_more(results):
    rows = [row for row in results["rates"] if row["bars"] == "minute15_2019"]
    assert [row["budget"] for row in rows] == sorted(scorecard.BUDGETS)
    assert 0 < rows[0]["alerts"] <= rows[1]["alerts"] <= rows[2]["alerts"]


def test_jumps_on_results_days_are_found_by_all_that_look_at_returns(results):
    rows = [row for row in results["labels"] if row["set"] == "results days" and row["budget"] == 0.1]
    methods = [row["method"] for row in rows]
    assert methods[: len(YARDSTICKS) + 1] == [PRODUCT, *YARDSTICKS]
    of_rules = [row["alerts"] for row in rows if row["method"].startswith(f"{PRODUCT}: ")]
    # Events of the market are of no rule.
    assert 0 < sum(of_rules) <= rows[0]["alerts"]
    for row in rows:
        # Two jump, the third is a day like any other, the fourth is of a symbol without bars.
        assert (row["given"], row["labels"]) == (4, 3)
        assert row["method"] not in {PRODUCT, "raw return"} or row["found"] >= 2, row
        assert (row["days_found"] > 0) == (row["alerts"] > 0)
        assert row["days_found"] <= min(2 * row["alerts"], row["days"])


def test_documented_days_say_what_is_told(results):
    told = {(row["symbol"], row["bars"]): row for row in results["documented"]}
    assert {symbol for symbol, _ in told} == {day.symbol for day in DAYS}
    assert told["KO", "minute15_2019"]["told"] == "single"
    assert "scheduled" in told["KO", "minute15_2019"]["said"]
    assert all(row["said"] for row in told.values())


def test_moves_are_met_or_say_why_not(results):
    of_file = {row["bars"]: row for row in results["moves"]}
    assert set(of_file) == set(scorecard.DAILY)
    for name, row in of_file.items():
        missed = [one for one in results["missed"] if one["bars"] == name]
        assert sum(row["met"].values()) + len(missed) == row["moves"] == 6 * len(SYMBOLS.get(name, ["", "", ""]))
        assert sum(row["missed"].values()) == len(missed)
        assert all(one["said"] for one in missed)
    assert of_file[scorecard.SP500]["met"]
    # The first sessions of a symbol know no profile, or what is usual is not rare.
    assert any(one["reason"] == "not rare enough" for one in results["missed"])


def test_bursts_that_nobody_can_miss_are_found(results):
    rows = [row for row in results["bursts"] if row["budget"] == 0.1 and row["bars"] == "minute15_2019"]
    found = {(row["method"], row["multiple"]): row for row in rows}
    assert {method for method, _ in found} == {PRODUCT, USED_TO, "volume / mean", "EWMA z, volume"}
    assert found["volume / mean", 8]["found"] > 0.5 * found["volume / mean", 8]["bursts"] > 0
    assert found[PRODUCT, 8]["found"] > found[USED_TO, 8]["found"]
    assert found[PRODUCT, 8]["found"] > found[PRODUCT, 8]["by_chance"]


def test_the_command_writes_tables_and_numbers(data, tmp_path, monkeypatch, results):
    monkeypatch.setattr(scorecard, "measure", lambda *given: results)
    app = scorecard.typer.Typer()
    app.command()(scorecard.main)
    ran = CliRunner().invoke(app, ["--data", str(data), "--out", str(tmp_path / "scorecard")])
    assert ran.exit_code == 0, ran.output
    assert json.loads((tmp_path / "scorecard" / "scorecard.json").read_text()) == results
    text = (tmp_path / "scorecard" / "scorecard.md").read_text()
    for heading in ("What it raises", "Results days", "Pumped micro-caps", "Injected bursts", "Largest moves"):
        assert f"## {heading}\n" in text
    lengths = {}
    for number, line in enumerate(text.splitlines()):
        if line.startswith("|"):
            lengths[number] = lengths.get(number - 1, line.count("|"))
            assert line.count("|") == lengths[number], line
    gone = CliRunner().invoke(app, ["--data", str(tmp_path)])
    assert gone.exit_code == 1
    assert scorecard.RESULTS_DAYS in gone.output


def alert(name: str, symbol: str, date: str, **given: object) -> Alert:
    ts_ms = new_york_midnight(date)
    times = dict.fromkeys(("ts_ms", "bar_close_ms", "window_start_ms", "window_end_ms", "episode_start_ms"), ts_ms)
    fields = times | {
        "event_id": name, "rule": "price_gap", "rule_version": 1, "parameters_version": "p", "symbol": symbol,
        "timespan": "day", "value": 1.0, "threshold": 1.0, "score": 50.0, "severity": "low", "session_phase": "regular",
        "session_date": date, "data_age_ms": 0, "event_ids": (), "explanation": "It gapped.",
    }  # fmt: skip
    return Alert(**(fields | given))


def recorded_days(symbols: int, dates: list[str], judged_from: int) -> RecordedDays:
    ordinals = np.array([date_ordinal(date) for date in dates])
    key = np.array([code << 32 | number for code in range(symbols) for number in range(len(dates))])
    earlier = np.tile(np.arange(len(dates)), symbols)
    names = {f"S{code}": code for code in range(symbols)}
    return RecordedDays(names, ordinals, key, earlier, earlier >= judged_from, np.arange(len(key)))


DATES = [iso_date(date_ordinal("2010-05-03") + day) for day in range(5)]


def test_an_event_counts_once_and_its_members_not():
    first = alert("a", "S0", DATES[1])
    taken_back = alert("d", "S1", DATES[4])
    messages = [
        first,
        structs.replace(first, status="refired", score=99.0),
        *(alert(name, symbol, DATES[3]) for name, symbol in (("b", "S0"), ("c", "S1"))),
        # Its leading member has gone on since.
        alert("event", "MARKET", DATES[4], rule="market_event", event_ids=("b", "c")),
        *(taken_back, structs.replace(taken_back, status="retracted")),
        alert("e", "S1", DATES[4], inhibited_by="an outage of our own"),
        alert("f", "S0", DATES[4], rule="data_quality"),
    ]
    raised = list_raised(messages)
    ways = dict(zip(raised["event_id"], raised["told"], strict=True))
    assert ways == {"a": "single", "b": "member", "c": "member", "event": "event", "e": "inhibited"}
    assert raised["score"].tolist()[0] == 50.0
    told, judged = place_alerts(raised, recorded_days(2, DATES, judged_from=2))
    market = np.int64(-1) << 32 | 3
    assert told.key.tolist() == [1, market]
    assert judged.key.tolist() == [market]


def test_a_hit_is_an_alert_that_session_or_the_next():
    days = recorded_days(2, DATES, judged_from=0)
    alerts = AlertDays(np.array([2, np.int64(-1) << 32 | 4]))
    assert alerts.hit(days.key).tolist() == [False, True, True, False, False, *[False] * 5]
    labels = days.find(["S0", "S0", "S1", "GONE"], [DATES[1], DATES[3], DATES[1], DATES[1]])
    counts = count_hits(days, labels, {"one": alerts})["one"]
    assert counts == {"alerts": 2, "labels": 3, "found": 1, "days": 10, "days_found": 2}


def test_the_busiest_days_are_those_with_most_alerts():
    key = np.array([1 << 32 | 7, 2 << 32 | 7, 7, 8, 9, 1 << 32 | 9])
    assert AlertDays(key).busiest_share(1) == 0.5
    assert AlertDays(key).busiest_share(2) == pytest.approx(5 / 6)
    assert AlertDays(key[:0]).busiest_share(2) is None


def test_the_largest_moves_of_each_year_are_those_of_a_plain_sort(data):
    recorded = Recorded.read(data / "day_2018_2019.parquet", SESSIONS)
    scan = recorded.run(0.1).run.evaluation.scan
    moves, bars = list_moves(scan), make_bars("day_2018_2019", [(day.symbol, day.date) for day in DAYS])
    for symbol, own in bars.groupby("symbol"):
        before = own["close"].shift(1)
        for move, price in ((GAP, own["open"]), (CLOSE, own["close"])):
            expected = (price / before - 1).abs().nlargest(3)
            found = moves[(moves["symbol"] == symbol) & (moves["move"] == move)]["size"].abs()
            assert sorted(found) == pytest.approx(sorted(expected))


def test_hours_hold_what_their_minutes_hold():
    minutes = make_bars("minute_2019feb", [])
    hours = scorecard.make_hours(minutes)
    assert hours["volume"].sum() == minutes["volume"].sum()
    assert (hours["ts_ms"] % (60 * MINUTE_MS) == 0).all()
    one = hours[hours["symbol"] == "PG"].iloc[0]
    own = minutes[minutes["symbol"] == "PG"]
    inside = own[(own["ts_ms"] - one["ts_ms"]).between(0, 60 * MINUTE_MS - 1)]
    assert (one["open"], one["close"]) == (inside["open"].iloc[0], inside["close"].iloc[-1])
    assert (one["high"], one["low"]) == (inside["high"].max(), inside["low"].min())


def test_day_bars_that_are_stamped_with_the_day_before_get_their_own_dates():
    bars = make_bars("day_2018_2019", [])
    days = [date_ordinal(day.date) for day in SESSIONS.between(*BETWEEN["day_2018_2019"])]
    before = [new_york_midnight(iso_date(day - 1)) for day in days]
    for one in (bars, bars.assign(ts_ms=before * 3)):
        assert scorecard.date_bars(one, SESSIONS)["ts_ms"].tolist() == bars["ts_ms"].tolist()
    with pytest.raises(ValueError, match="of no session"):
        scorecard.date_bars(bars.assign(ts_ms=new_york_midnight("2018-09-01")), SESSIONS)


def test_results_days_are_known_beforehand():
    assert RESULTS == (("KO", "2019-02-14"), ("PEP", "2019-02-15"))

"""The product against plain rules on every labelled set: ``python -m tests.benchmarks.scorecard``."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import pandas as pd
import typer

from include.surveillance.detection.parameters.book import ParameterBook
from include.surveillance.sessions import Sessions
from include.surveillance.timespans import HOUR_MS, NEW_YORK
from tests.benchmarks.scorecard import report
from tests.benchmarks.scorecard.burst_hits import count_bursts
from tests.benchmarks.scorecard.documented import RESULTS, SPLITS, describe_days, describe_market_days
from tests.benchmarks.scorecard.held_against import PRODUCT, Raised, Recorded, hold_against
from tests.benchmarks.scorecard.moves import judge_moves, list_moves
from tests.benchmarks.scorecard.raised import EVENT, INHIBITED, MEMBER, SINGLE, place_by_rule
from tests.benchmarks.scorecard.recorded_days import NEW_SESSIONS, RecordedDays, count_hits
from tests.benchmarks.scorecard.silence import Witness
from tests.benchmarks.scorecard.yardsticks import YARDSTICKS
from tests.paths import MEASURED, SHARED_DATA

MINUTES = ("minute_2019feb", "minute_2023jan")
INTRADAY = (*MINUTES, "minute15_2019")
SP500, MSFT, MICROCAPS = "day_sp500_2009_2010", "day_msft_2000_2013", "day_microcaps_2025"
DAILY = ("day_2018_2019", SP500, MSFT, MICROCAPS)
RESULTS_DAYS, SIGNALS = "results_dates_2009_2010.csv", "day_microcaps_2025_signals.csv"
NEEDED = (*(f"{name}.parquet" for name in (*INTRADAY, *DAILY)), RESULTS_DAYS, SIGNALS)
PUMPS = ("confirmed_pump", "likely_pump")
BUDGETS = (0.02, 0.05, 0.1)
MULTIPLES = (3, 5, 8)
BUSIEST = 5
Tell = Callable[[str], None]


def main(
    data: Annotated[Path, typer.Option(envvar="SHARED_DATA", help="Folder of recorded bars and labels.")] = SHARED_DATA,
    seeds: Annotated[int, typer.Option(min=1, help="Copies of each file and multiple, with other bursts.")] = 1,
    out: Annotated[Path, typer.Option(help="Folder for scorecard.md and scorecard.json.")] = MEASURED / "scorecard",
) -> None:
    """What the product finds and raises, and what plain rules find with as many alerts."""
    missing = [name for name in NEEDED if not (data / name).exists()]
    if missing:
        typer.echo(f"error: {data} lacks {', '.join(missing)}; give --data or set SHARED_DATA", err=True)
        raise typer.Exit(1)
    results = measure(data, seeds, lambda line: typer.echo(line, err=True))
    out.mkdir(parents=True, exist_ok=True)
    (out / "scorecard.json").write_text(json.dumps(results, indent=1, allow_nan=False) + "\n")
    text = report.markdown(results)
    typer.echo(text)
    (out / "scorecard.md").write_text(text)


def measure(data: Path, seeds: int, tell: Tell) -> dict[str, Any]:
    """Return everything that is reported, ready for JSON."""
    sessions, default = Sessions("XNYS"), ParameterBook.default().base.budget.alerts_per_symbol_session
    budgets = sorted({*BUDGETS, default})
    results: dict[str, Any] = {
        "date": datetime.now(UTC).date().isoformat(),
        "command": "python -m tests.benchmarks.scorecard" + (f" --seeds {seeds}" if seeds != 1 else ""),
        "default_budget": default,
        "seeds": seeds,
        "new_sessions": NEW_SESSIONS,
        "yardsticks": YARDSTICKS,
        **{part: [] for part in ("rates", "labels", "bursts", "moves", "missed")},
    }
    with TemporaryDirectory() as name:
        folder = Path(name)
        witnesses = {}
        for one in list_recordings(data, folder, sessions):
            recorded = Recorded.read(one.bars, sessions, **one.side_files)
            for budget in budgets:
                raised = recorded.run(budget)
                rates, labels = _hold(one, raised)
                results["rates"].append(rates)
                results["labels"] += labels
                if budget == default:
                    witnesses[one.name] = Witness(recorded, raised)
                tell(f"{one.name}: {rates['alerts']:,} alerts with a budget of {budget:g}")
            if one.name in DAILY:
                moves = judge_moves(list_moves(witnesses[one.name].raised.run.evaluation.scan), witnesses[one.name])
                results["moves"].append({"bars": one.name} | _count_moves(moves))
                missed = moves[moves["met"] == ""]
                order = missed["size"].abs().sort_values(ascending=False, kind="stable").index[: report.LISTED]
                results["missed"] += [{"bars": one.name} | row for row in missed.loc[order].to_dict("records")]
        results["documented"] = list(describe_days(witnesses))
        results["market"] = list(describe_market_days(witnesses[SP500]))
        witnesses.clear()
        for name in INTRADAY:
            options = {"budgets": budgets, "seeds": range(1, seeds + 1), "multiples": MULTIPLES, "folder": folder}
            rows = count_bursts(data / f"{name}.parquet", sessions, **options, tell=tell)
            results["bursts"] += [{"bars": name} | row for row in rows]
    return results


@dataclass(frozen=True)
class Listed:
    """A recording that is measured.

    Attributes:
        side_files: what goes with the bars, as in ``RecordedFiles``.
        labels: name of a set -> its symbols and dates.
    """

    name: str
    bars: Path
    side_files: dict[str, Path]
    labels: dict[str, pd.DataFrame]


def list_recordings(data: Path, folder: Path, sessions: Sessions) -> Iterator[Listed]:
    """Yield the recordings, and write into a folder what has to be made for them."""
    scheduled, splits = folder / "results.csv", folder / "splits.csv"
    pd.DataFrame(RESULTS, columns=["symbol", "date"]).to_csv(scheduled, index=False)
    pd.DataFrame(SPLITS, columns=["ticker", "execution_date", "split_from", "split_to"]).to_csv(splits, index=False)
    for name in INTRADAY:
        yield Listed(name, data / f"{name}.parquet", {"scheduled_events": scheduled}, {})
    for name in MINUTES:
        hours = folder / f"{name}_hours.parquet"
        make_hours(pd.read_parquet(data / f"{name}.parquet")).to_parquet(hours)
        yield Listed(f"hours of {name}", hours, {"scheduled_events": scheduled}, {})
    results, signals = (pd.read_csv(data / name, keep_default_na=False) for name in (RESULTS_DAYS, SIGNALS))
    signals = signals.rename(columns={"signal_date": "date"})
    pumps = signals["classification"].isin(PUMPS)
    of_kind = {"pumped micro-caps": signals[pumps], "other signals of micro-caps": signals[~pumps]}
    labels = {SP500: {"results days": results}, MICROCAPS: of_kind}
    side_files = {"day_2018_2019": scheduled, SP500: data / RESULTS_DAYS}
    for name in DAILY:
        given = {"scheduled_events": side_files[name]} if name in side_files else {}
        bars = folder / f"{name}.parquet"
        date_bars(pd.read_parquet(data / bars.name), sessions).to_parquet(bars)
        yield Listed(name, bars, given, labels.get(name, {}))
    yield Listed(f"{MSFT}, split known", data / f"{MSFT}.parquet", {"splits": splits}, {})


def make_hours(bars: pd.DataFrame) -> pd.DataFrame:
    """Make the bars of hours, which begin at full ones, from shorter bars."""
    start = bars["ts_ms"] // HOUR_MS * HOUR_MS
    hours = bars.sort_values("ts_ms").groupby(["symbol", start], sort=True)
    values = {"open": "first", "high": "max", "low": "min", "close": "last", "volume": "sum"}
    return hours.agg(values).reset_index().assign(timespan="hour")


def date_bars(bars: pd.DataFrame, sessions: Sessions) -> pd.DataFrame:
    """Return day bars that are stamped with their own dates, also where each is stamped with the day before it.

    A source that writes dates as midnight UTC, read as New York's evening, gives such bars: there are none of Fridays.

    Raises:
        ValueError: the dates are those of sessions neither as they are nor as the days before.
    """
    dates = (
        pd.to_datetime(bars["ts_ms"], unit="ms", utc=True).dt.tz_convert(NEW_YORK).dt.tz_localize(None).dt.normalize()
    )
    for days in (0, 1):
        shifted = dates + pd.Timedelta(days=days)
        named = shifted.dt.strftime("%Y-%m-%d")
        if all(sessions.on(date) for date in named.unique()):
            midnight = shifted.dt.tz_localize(NEW_YORK).dt.tz_convert("UTC").dt.tz_localize(None)
            return bars.assign(ts_ms=midnight.astype("datetime64[ms]").astype("int64"))
    raise ValueError("some day bars are of no session, nor are the days behind them")


def _hold(listed: Listed, raised: Raised) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return the rates of a recording at one budget, and per set of labels and method what is found."""
    days, (told, judged) = raised.days, raised.placed
    held = hold_against(raised, raised.yardsticks())
    new = days.earlier < NEW_SESSIONS
    places = days.positions(told.key)
    ways = Counter(raised.alerts["told"].tolist())
    rates = {
        "bars": listed.name,
        "budget": raised.budget,
        "symbol_days": len(days.key),
        "alerts": len(told.key),
        "new_days": int(new.sum()),
        "new_alerts": int(new[places[places >= 0]].sum()),
        "judged_days": int(days.judged.sum()),
        "judged_alerts": len(judged.key),
        "judged_on": len({*judged.key.tolist()}),
        "sessions": len({*(days.key[days.judged] & 0xFFFF_FFFF).tolist()}),
        **{f"{way}s": ways[way] for way in (EVENT, MEMBER)},
        INHIBITED: ways[INHIBITED],
        "rules": _count_rules(raised),
        "busiest": {method: alerts.busiest_share(BUSIEST) for method, alerts in held.alerts.items()},
    }
    labels = []
    of_rules = {f"{PRODUCT}: {rule}": alerts for rule, alerts in place_by_rule(raised.alerts, days).items()}
    for name, rows in listed.labels.items():
        counts = count_hits(days, _find_labels(days, rows), held.alerts | of_rules)
        about = {"set": name, "given": len(rows), "budget": raised.budget}
        labels += [about | {"method": method} | count for method, count in counts.items()]
    return rates, labels


def _find_labels(days: RecordedDays, labels: pd.DataFrame) -> Any:
    return pd.unique(pd.Series(days.find(labels["symbol"], labels["date"]))).astype("int64")


def _count_rules(raised: Raised) -> dict[str, int]:
    """Count the alerts that are told on their own, by rule, those of literal forms apart."""
    alerts = raised.alerts[raised.alerts["told"] == SINGLE]
    names = alerts["rule"] + alerts["form"].map({"literal": " (literal)"}).fillna("")
    return dict(Counter(names.tolist()).most_common())


def _count_moves(moves: pd.DataFrame) -> dict[str, Any]:
    return {
        "moves": len(moves),
        "met": dict(Counter(moves["met"][moves["met"] != ""].tolist())),
        "missed": dict(Counter(moves["reason"][moves["reason"] != ""].tolist())),
    }


if __name__ == "__main__":
    typer.run(main)

"""Alerts reproduced from the warehouse alone: ``python -m tests.evidence`` (``make evidence-trial``).

A seeded market is published on a Kafka broker of its own and detected on as it comes, with profiles of its first
sessions, and all of it is landed. Then Kafka is stopped; there is no PostgreSQL. Some alerts, picked by the seed, are
reproduced from what has landed, each by itself, as ``explain ID --warehouse`` does; only a symbol's rows are read once.
"""

from __future__ import annotations

import random
import socket
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

import pytest
import typer
from msgspec.structs import replace
from snowflake.connector import SnowflakeConnection

from include.surveillance import broker
from include.surveillance.broker import Kafka, Received
from include.surveillance.detection.parameters.book import ParameterBook
from include.surveillance.errors import SurveillanceError
from include.surveillance.live.build_profiles import build_partition
from include.surveillance.live.detector import Detector
from include.surveillance.records import Bar, NewsItem, Record, Watermark
from include.surveillance.sessions import Sessions
from include.surveillance.studies import landed
from include.surveillance.timespans import MINUTE_MS
from include.surveillance.warehouse.landing import land
from include.surveillance.warehouse.records import read_messages
from include.surveillance.warehouse.rows import KINDS
from include.surveillance.warehouse.schema import migrate_raw
from tests.benchmarks import machine
from tests.benchmarks.market import SESSION_MINUTES, Market
from tests.conftest import kafka_server
from tests.embedded_warehouse.launcher import Launcher
from tests.paths import MEASURED

CHUNK_MINUTES = 30
# Before the last sessions there is nothing that the robust rule could be held against.
SESSIONS_BEFORE, SESSIONS_JUDGED = 3, 2
NEWS_MINUTE, BURST = 200, 12
SHOWN = 10
# One rule by profiles, the others as they were told to be: both kinds of evidence, and enough alerts.
BOOK = ParameterBook.default().replaced(alerting_form={"default": "literal", "abnormal_volume": "robust"})


def main(
    alerts: Annotated[int, typer.Option(help="How many alerts are reproduced.")] = 1_000,
    symbols: Annotated[int, typer.Option(help="Of how many symbols.")] = 30,
    seed: Annotated[int, typer.Option(help="Of the market, and of the choice among its alerts.")] = 7,
    out: Annotated[Path, typer.Option(help="Folder for README.md.")] = MEASURED / "evidence",
) -> None:
    """The exit code is 1 when an alert is not reproduced bit for bit, or there are too few."""
    about = machine.facts()
    with tempfile.TemporaryDirectory(prefix="evidence-") as name, pytest.MonkeyPatch.context() as patch:
        launcher = Launcher(Path(name)).start()
        patch.setenv("REQUESTS_CA_BUNDLE", str(launcher.bundle))
        try:
            with closing(launcher.connect()) as connection:
                migrate_raw(connection)
                with kafka_server(Path(name) / "kafka") as kafka:
                    run_market(connection, kafka, symbols, seed)
                check_away(kafka)
                begun = time.monotonic()
                patch.setattr(landed, "read_messages", remember_reads())
                result = reproduce(connection, alerts, seed)
        finally:
            launcher.stop()
    result |= {"seed": seed, "symbols": symbols, "seconds": round(time.monotonic() - begun), "machine": about}
    out.mkdir(parents=True, exist_ok=True)
    (out / "README.md").write_text(markdown(result))
    typer.echo(tell(result))
    raise typer.Exit(0 if result["reproduced"] == alerts else 1)


def run_market(connection: SnowflakeConnection, kafka: Kafka, symbols: int, seed: int) -> None:
    """Publish the market, build profiles, detect as it comes, and land every topic."""
    sessions, market = Sessions(), Market(symbols, seed)
    broker.ensure_topics(kafka, 1)
    for number in range(SESSIONS_BEFORE + SESSIONS_JUDGED):
        polls = list_polls(market, burst=BURST if number >= SESSIONS_BEFORE else 1)
        first = next(polls)
        if number == SESSIONS_BEFORE:
            opens_ms = min(record.ts_ms for record in first if isinstance(record, Bar))
            build_partition(kafka, 0, sessions=sessions, effective_ms=opens_ms)
        with Detector(kafka, 0, sessions=sessions, book=BOOK) as detector:
            for records in (first, *polls):
                broker.publish(kafka, records)
                while detector.step()["records"]:
                    pass
        for topic in KINDS:
            land(connection, kafka, topic)


def list_polls(market: Market, burst: int) -> Iterator[list[Record]]:
    """Yield the records of the next session, poll by poll; behind an article about each symbol volumes burst."""
    for first in range(0, SESSION_MINUTES, CHUNK_MINUTES):
        columns = market.bars(CHUNK_MINUTES)
        values = (columns.code, columns.ts, columns.open, columns.high, columns.low, columns.close, columns.volume)
        bars = [
            Bar(
                symbol=columns.keys[code][0],
                timespan="minute",
                ts_ms=ts,
                open=opened,
                high=high,
                low=low,
                close=close,
                volume=Decimal(int(volume)),
                source="live",
                polled_ms=ts + MINUTE_MS + 2_000,
            )
            for code, ts, opened, high, low, close, volume in zip(*(it.tolist() for it in values), strict=True)
        ]
        as_of_ms = bars[-1].close_ms
        news: list[Record] = []
        if first <= NEWS_MINUTE < first + CHUNK_MINUTES:
            published_ms = bars[0].ts_ms + (NEWS_MINUTE - first) * MINUTE_MS
            news = [
                NewsItem(
                    symbol=symbol, article_id=f"{symbol} {published_ms}", published_ms=published_ms, title="A recall",
                    sentiment="negative", polled_ms=published_ms,
                )
                for symbol, _ in columns.keys
            ]  # fmt: skip
            bars = [
                replace(bar, volume=bar.volume * burst, revision="", event_id="") if bar.ts_ms > published_ms else bar
                for bar in bars
            ]
        watermarks = [
            Watermark(
                symbol=symbol, timespan="minute", from_ms=bars[0].ts_ms, as_of_ms=as_of_ms, bars=CHUNK_MINUTES,
                polled_ms=as_of_ms + 2_000,
            )
            for symbol, _ in columns.keys
        ]  # fmt: skip
        yield [*news, *bars, *watermarks]


def check_away(kafka: Kafka) -> None:
    """Raise SurveillanceError when Kafka can still be reached."""
    host, _, port = str(kafka["bootstrap.servers"]).partition(":")
    with socket.socket() as probe:
        if not probe.connect_ex((host, int(port))):
            raise SurveillanceError(f"Kafka at {host}:{port} still answers: it has to be out of reach")


def remember_reads() -> Callable[..., list[Received]]:
    """Return what reads as ``read_messages`` does, but each symbol's rows of a table once."""
    known: dict[tuple[Any, ...], list[Received]] = {}

    def read(
        connection: SnowflakeConnection,
        *kinds: type[Record],
        event_id: str | None = None,
        symbols: Collection[str] | None = None,
        until_ms: int | None = None,
    ) -> list[Received]:
        asked = (*kinds, None if symbols is None else frozenset(symbols))
        if asked not in known:
            known[asked] = read_messages(connection, *kinds, symbols=symbols)
        return [
            message
            for message in known[asked]
            if (event_id is None or message.key == event_id) and (until_ms is None or message.timestamp_ms <= until_ms)
        ]

    return read


def reproduce(connection: SnowflakeConnection, count: int, seed: int) -> dict[str, Any]:
    """Reproduce so many of the alerts that have landed; return counts, and what was wrong with the others."""
    query = "select distinct event_id from raw.raw_alerts order by event_id"
    with connection.cursor() as cursor:
        ids = [event_id for (event_id,) in cursor.execute(query).fetchall()]
    picked = random.Random(seed).sample(ids, min(count, len(ids)))
    sessions, wrong, rules = Sessions(), dict[str, list[str]](), Counter[str]()
    messages = profiles = 0
    for alert_id in picked:
        try:
            explained = landed.explain_from_warehouse(connection, alert_id, sessions=sessions)
        except SurveillanceError as error:
            wrong[alert_id] = [str(error)]
            continue
        if problems := explained.differences + explained.unsupported:
            wrong[alert_id] = problems
        rules[alert_id.partition("|")[0]] += 1
        messages += len(explained.stored)
        profiles += explained.stored[-1]["profile_version"] is not None
    return {
        "alerts": len(ids),
        "picked": len(picked),
        "reproduced": len(picked) - len(wrong),
        "messages": messages,
        "by_profiles": profiles,
        "by_rule": dict(sorted(rules.items())),
        "wrong": wrong,
    }


def tell(result: dict[str, Any]) -> str:
    """Say in one line what came out."""
    return (
        f"{result['reproduced']:,} of {result['picked']:,} alerts reproduced bit for bit from the warehouse alone, "
        f"{result['messages']:,} messages, {result['by_profiles']:,} alerts by profiles, in {result['seconds']:,} s"
    )


def markdown(result: dict[str, Any]) -> str:
    """Return the page of docs/measured."""
    about = result["machine"]
    rules = ", ".join(f"{rule} {count:,}" for rule, count in result["by_rule"].items())
    return "\n".join(
        [
            "# Alerts reproduced from the warehouse alone",
            "",
            f"{about['date'][:10]}, {about['cores']} cores, load {about['load_at_start']} at the start.",
            (
                f"`make evidence-trial`: a market of {result['symbols']} symbols, seed {result['seed']}, was detected "
                f"on and landed in the embedded warehouse, with {result['alerts']:,} alerts. Then Kafka was stopped; "
                "PostgreSQL never ran. Alerts were picked by the seed, and each was reproduced by itself, by what "
                "`explain ID --warehouse` calls; only the rows of a symbol were read once for all of its alerts."
            ),
            "",
            f"**{tell(result)}.**",
            "",
            f"By rule: {rules}.",
            *(f"- `{alert_id}`: {'; '.join(lines)}" for alert_id, lines in [*result["wrong"].items()][:SHOWN]),
            "",
        ]
    )


if __name__ == "__main__":
    typer.run(main)

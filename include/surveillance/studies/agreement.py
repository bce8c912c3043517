"""Whether detection as it ran live and a replay of what it was given raise the same alerts."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow.parquet as pq
from msgspec import structs

from include.surveillance import broker, wire
from include.surveillance.alerts.market_events import MARKET
from include.surveillance.broker import Kafka
from include.surveillance.detection.parameters.book import ParameterBook
from include.surveillance.live import export
from include.surveillance.records import Alert
from include.surveillance.sessions import Sessions
from include.surveillance.studies.replay import replay

# Watermarks say when the vendor was asked, which files of bars do not: these two rules are live only.
BAR_RULES = {"abnormal_volume", "volatility_spike", "price_breakout", "price_gap"}
FIELDS = (
    *("value", "threshold", "baseline", "score", "severity", "direction", "episode_start_ms", "form"),
    *("profile_version", "parameters_version", "explanation"),
)
# An article and a burst meet live in the order in which they come, in a replay in the order of their times: which of
# several articles an alert names may differ, and with it what is said of the article.
NEWS_FIELDS = ("direction", "episode_start_ms", "form", "profile_version", "parameters_version")


def differences(kafka: Kafka, partitions: int, *, sessions: Sessions, book: ParameterBook) -> tuple[int, list[str]]:
    """Replay the log's bars, news, corporate actions and profiles, and hold the result against the log's alerts.

    Of each alert the message counts that opened it, or confirmed that after a correction, and of symbols whose bars
    came in order and once also the newest: how an episode goes on is not told again when bars of its middle are
    corrected. Retracted alerts and events of the whole market are left out.

    Returns:
        How many alerts were compared, and one line per difference.
    """
    with TemporaryDirectory(prefix="agreement-") as folder:
        files = export.export_log(kafka, partitions, Path(folder))
        replay(
            files.bars,
            Path(folder),
            sessions=sessions,
            book=book.with_(rules="robust"),
            history="sketch",
            news=files.news,
            splits=files.splits,
            dividends=files.dividends,
            ticker_changes=files.ticker_changes,
            profiles=files.profiles,
        )
        replayed = pq.read_table(Path(folder) / "alerts.parquet").to_pylist()
        revised = _revised(files.bars)
    published = _published(kafka, partitions)
    live, again = _standing(published), _standing(replayed)
    found = [f"{alert_id}: live only ({live[alert_id]['explanation']})" for alert_id in sorted({*live} - {*again})]
    found += [f"{alert_id}: replay only ({again[alert_id]['explanation']})" for alert_id in sorted({*again} - {*live})]
    opened, reopened = (
        _standing([alert for alert in alerts if alert["status"] != "refired"]) for alerts in (published, replayed)
    )
    for alert_id in sorted({*live} & {*again}):
        found += _differing(alert_id, "opened", opened[alert_id], reopened[alert_id])
        if (live[alert_id]["symbol"], live[alert_id]["timespan"]) not in revised:
            found += _differing(alert_id, "newest", live[alert_id], again[alert_id])
    return len(live), found


def _differing(alert_id: str, which: str, then: dict[str, Any], now: dict[str, Any]) -> list[str]:
    return [
        f"{alert_id}: {which} {name} is {then[name]!r} live, {now[name]!r} in the replay"
        for name in (FIELDS if then["rule"] in BAR_RULES else NEWS_FIELDS)
        if then[name] != now[name]
    ]


def _revised(bars: Path) -> set[tuple[str, str]]:
    """Symbol and timespan of series of which a bar came late or with other values than before."""
    once = pq.read_table(bars).to_pandas().drop_duplicates()
    starts = once.groupby(["symbol", "timespan"])["ts_ms"]
    in_order = starts.agg(lambda ts: ts.is_monotonic_increasing and ts.is_unique)
    return set(in_order.index[~in_order.to_numpy(dtype=bool)])


def _published(kafka: Kafka, partitions: int) -> list[dict[str, Any]]:
    batch = broker.read(kafka, {(broker.ALERTS, partition): None for partition in range(partitions)}, limit=10_000_000)
    records = (wire.decode(message.value) for message in batch.messages)
    return [structs.asdict(record) for record in records if isinstance(record, Alert)]


def _standing(alerts: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The newest of each id, of the rules that both sides run."""
    newest = {alert["event_id"]: alert for alert in alerts if alert["symbol"] != MARKET}
    compared = {*BAR_RULES, "news_impact"}
    return {
        alert_id: alert
        for alert_id, alert in newest.items()
        if alert["rule"] in compared and alert["status"] != "retracted"
    }

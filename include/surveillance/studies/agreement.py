"""Agreement: a replay of the log must raise the same alerts as detection did live, and what is told of history."""

from __future__ import annotations

from dataclasses import replace
from math import inf
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from msgspec import structs

from include.surveillance import broker
from include.surveillance.alerts.log_breaks import RULE as LOG_BREAK
from include.surveillance.alerts.market_events import MARKET
from include.surveillance.broker import Kafka
from include.surveillance.detection.arrivals import Places
from include.surveillance.detection.columns import SeriesKey
from include.surveillance.detection.parameters.book import ParameterBook
from include.surveillance.detection.rules.registry import BAR_RULES
from include.surveillance.live import history
from include.surveillance.sessions import Sessions
from include.surveillance.studies.export import OfBar, export_log
from include.surveillance.studies.listing import read_log_alerts
from include.surveillance.studies.recorded import read_recording
from include.surveillance.studies.replay import run_rules

FIELDS = (
    *("value", "threshold", "baseline", "score", "severity", "direction", "episode_start_ms", "form"),
    *("profile_version", "parameters_version", "explanation"),
)
# Live, an article and a burst meet in the order in which they come; in a replay, in the order of their times. Which of
# several articles an alert names may differ, and with it all fields that describe the article.
NEWS_FIELDS = ("direction", "episode_start_ms", "form", "profile_version", "parameters_version")


def compare_log(kafka: Kafka, *, sessions: Sessions, book: ParameterBook) -> tuple[int, list[str]]:
    """Replay the log's bars, news, corporate actions and profiles, and compare the result with the log's live alerts.

    The bars are those that detection has taken, and those of live polls are judged. The message that opened an alert,
    or confirmed it after a correction, counts. The newest message counts too for series whose bars came once and in
    order, none of them live behind a backfill: an episode's course is not published again when bars in its middle are
    corrected. Left out are retracted alerts, events of the whole market and those of the platform. Tags are not
    compared: they go by which news had come before the alert, and files do not say when news came.

    Returns:
        How many alerts were compared, and one line per difference.
    """
    places, twice = Places(), set[SeriesKey]()
    judged, brought = set[tuple[str, str, int]](), set[tuple[str, str, int]]()

    def is_taken(bar: OfBar) -> bool:
        live = bar.source == "live"
        taken = places.takes((bar.symbol, bar.timespan), bar.ts_ms, judged=live)
        one = bar.symbol, bar.timespan, bar.ts_ms
        if taken and live:
            judged.add(one)
            if one in brought:
                twice.add(one[:2])
        elif taken:
            brought.add(one)
        return taken

    with TemporaryDirectory(prefix="agreement-") as name:
        files, _ = export_log(kafka, Path(name), keep=is_taken)
        recording = read_recording(files, sessions, with_profiles=True)
        revised = _revised_series(files.bars) | twice
    bars = recording.bars
    starts = zip(bars.code.tolist(), bars.ts.tolist(), strict=True)
    live = np.array([(*bars.keys[code], ts) in judged for code, ts in starts], bool)
    recording = replace(recording, bars=replace(bars, live=live), judges="live")
    run = run_rules(recording, book.replaced(alerting_form="robust"), "sketch")
    published = [alert for alert in read_log_alerts(kafka) if alert["source"] == "live"]
    replayed = [structs.asdict(alert) for alert in run.published]
    told, again = _newest(published), _newest(replayed)
    lines = [f"{alert_id}: live only ({told[alert_id]['explanation']})" for alert_id in sorted({*told} - {*again})]
    lines += [f"{alert_id}: replay only ({again[alert_id]['explanation']})" for alert_id in sorted({*again} - {*told})]
    opened, reopened = (
        _newest([alert for alert in alerts if alert["status"] not in ("refired", "retagged")])
        for alerts in (published, replayed)
    )
    for alert_id in sorted({*told} & {*again}):
        was_revised = (told[alert_id]["symbol"], told[alert_id]["timespan"]) in revised
        if alert_id in opened and alert_id in reopened:
            lines += _differences(alert_id, "opened", opened[alert_id], reopened[alert_id])
        elif not was_revised:
            lines.append(f"{alert_id}: no message opens it {'live' if alert_id in reopened else 'in the replay'}")
        if not was_revised:
            lines += _differences(alert_id, "newest", told[alert_id], again[alert_id])
    return len(told), lines


def compare_history(kafka: Kafka, *, sessions: Sessions, book: ParameterBook) -> tuple[int, list[str]]:
    """Judge all history of the log anew, and compare the result with what is told of it.

    Returns:
        How many alerts of history stand, and one line per difference.
    """
    standing, lines = 0, list[str]()
    for partition in broker.partitions_of(kafka, broker.BARS):
        told = history.read_told(kafka, partition)
        walk = history.walk_partition(kafka, partition, sessions=sessions, book=book)
        standing += sum(alert.status != "retracted" for alert in told.values())
        changes = history.list_changes(told, walk, -inf)
        lines += [f"{it.event_id}: history would be told as {it.status} ({it.explanation})" for it in changes]
    return standing, lines


def _differences(alert_id: str, which: str, then: dict[str, Any], now: dict[str, Any]) -> list[str]:
    return [
        f"{alert_id}: {which} {name} is {then[name]!r} live, {now[name]!r} in the replay"
        for name in (FIELDS if then["rule"] in BAR_RULES["literal"] else NEWS_FIELDS)
        if then[name] != now[name]
    ]


def _revised_series(bars: Path) -> set[tuple[str, str]]:
    """Return symbol and timespan of the series with a bar that came late, or again with other values."""
    once = pq.read_table(bars).to_pandas().drop_duplicates()
    starts = once.groupby(["symbol", "timespan"])["ts_ms"]
    in_order = starts.agg(lambda ts: ts.is_monotonic_increasing and ts.is_unique)
    return set(in_order.index[~in_order.to_numpy(dtype=bool)])


def _newest(alerts: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return the newest alert of each id that stands, of the rules that both sides run."""
    newest = {alert["event_id"]: alert for alert in alerts if alert["symbol"] != MARKET and alert["rule"] != LOG_BREAK}
    # The other rules read watermarks, which say when the vendor was asked, and files of bars have none.
    compared = {*BAR_RULES["literal"], "news_impact"}
    return {
        alert_id: alert
        for alert_id, alert in newest.items()
        if alert["rule"] in compared and alert["status"] != "retracted"
    }

"""Agreement: a replay of the log must raise the same alerts as detection did live."""

from __future__ import annotations

from bisect import bisect_right, insort
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow.parquet as pq

from include.surveillance.alerts.log_breaks import RULE as LOG_BREAK
from include.surveillance.alerts.market_events import MARKET
from include.surveillance.broker import Kafka
from include.surveillance.detection.columns import SeriesKey
from include.surveillance.detection.episodes import cooldown_ms
from include.surveillance.detection.parameters.book import ParameterBook
from include.surveillance.detection.rules.registry import BAR_RULES
from include.surveillance.sessions import Sessions
from include.surveillance.studies.export import OfBar, export_log
from include.surveillance.studies.listing import read_log_alerts
from include.surveillance.studies.replay import replay_files
from include.surveillance.timespans import SPAN_MS

FIELDS = (
    *("value", "threshold", "baseline", "score", "severity", "direction", "episode_start_ms", "form"),
    *("profile_version", "parameters_version", "explanation"),
)
# Live, an article and a burst meet in the order in which they come; in a replay, in the order of their times. Which of
# several articles an alert names may differ, and with it all fields that describe the article.
NEWS_FIELDS = ("direction", "episode_start_ms", "form", "profile_version", "parameters_version")


class _Completed:
    """Notes, bar by bar in the order of the log, which live bars a backfill brought earlier bars behind.

    Live bars are judged by what was known when they came, and what a backfill adds is history. A replay reads files in
    order of time, and so judges these bars by a past that nobody knew.
    """

    def __init__(self) -> None:
        self._starts: dict[SeriesKey, set[int]] = {}
        self._live: dict[SeriesKey, list[int]] = {}  # ascending
        self._judged: dict[SeriesKey, tuple[int, int]] = {}  # first and last start, UTC epoch ms

    def note(self, bar: OfBar) -> bool:
        """Note a bar; returns True, for the export to write it."""
        key = bar.symbol, bar.timespan
        starts, live = self._starts.setdefault(key, set()), self._live.setdefault(key, [])
        if bar.source == "live":
            insort(live, bar.ts_ms)
        elif bar.ts_ms not in starts and live and bar.ts_ms < live[-1]:
            behind_ms = live[bisect_right(live, bar.ts_ms)]
            first_ms, _ = self._judged.get(key, (behind_ms, behind_ms))
            self._judged[key] = min(first_ms, behind_ms), live[-1]
        starts.add(bar.ts_ms)
        return True

    def covers(self, alert: dict[str, Any], cooldown_bars: int) -> bool:
        """Say whether an alert's episode begins among such bars, or so soon behind them that it may continue one."""
        judged = self._judged.get((alert["symbol"], alert["timespan"]))
        if judged is None:
            return False
        until_ms = judged[1] + cooldown_ms(cooldown_bars, SPAN_MS[alert["timespan"]])
        return bool(judged[0] <= alert["episode_start_ms"] <= until_ms)


def compare_log(kafka: Kafka, *, sessions: Sessions, book: ParameterBook) -> tuple[int, list[str]]:
    """Replay the log's bars, news, corporate actions and profiles, and compare the result with the log's alerts.

    The message that opened an alert, or confirmed it after a correction, counts. The newest message counts too for
    symbols whose bars came once and in order: an episode's course is not published again when bars in its middle are
    corrected, nor does a message open one that began where a backfill completed what live bars rest on. Left out are
    retracted alerts, events of the whole market, those of the platform, and what began at live bars whose past a
    backfill has brought only behind them. Tags are not compared: they go by which news had come before the alert, and
    files do not say when news came.

    Returns:
        How many alerts were compared, and one line per difference.
    """
    with TemporaryDirectory(prefix="agreement-") as name:
        folder = Path(name)
        completed = _Completed()
        files, _ = export_log(kafka, folder, keep=completed.note)
        replay_files(files, folder, sessions=sessions, book=book, percentiles="sketch", as_published=True)
        replayed = pq.read_table(folder / "alerts.parquet").to_pylist()
        revised = _revised_series(files.bars)
    published, replayed = (
        [alert for alert in alerts if not completed.covers(alert, book.base.cooldown_bars)]
        for alerts in (read_log_alerts(kafka), replayed)
    )
    live, again = _newest(published), _newest(replayed)
    lines = [f"{alert_id}: live only ({live[alert_id]['explanation']})" for alert_id in sorted({*live} - {*again})]
    lines += [f"{alert_id}: replay only ({again[alert_id]['explanation']})" for alert_id in sorted({*again} - {*live})]
    opened, reopened = (
        _newest([alert for alert in alerts if alert["status"] not in ("refired", "retagged")])
        for alerts in (published, replayed)
    )
    for alert_id in sorted({*live} & {*again}):
        was_revised = (live[alert_id]["symbol"], live[alert_id]["timespan"]) in revised
        if alert_id in opened and alert_id in reopened:
            lines += _differences(alert_id, "opened", opened[alert_id], reopened[alert_id])
        elif not was_revised:
            lines.append(f"{alert_id}: no message opens it {'live' if alert_id in reopened else 'in the replay'}")
        if not was_revised:
            lines += _differences(alert_id, "newest", live[alert_id], again[alert_id])
    return len(live), lines


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

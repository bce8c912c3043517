"""What the platform made, compared with the truth while nothing moves."""

from __future__ import annotations

import time
from collections import Counter, defaultdict

from include.surveillance import wire
from include.surveillance.alerts.incidents import FEED
from include.surveillance.alerts.log_breaks import RULE as LOG_BREAK
from include.surveillance.alerts.log_breaks import describe_breaks
from include.surveillance.places import Cause
from include.surveillance.studies import agreement
from include.surveillance.timespans import now_ms
from tests.faults.differences import Differences, describe
from tests.faults.load import Load
from tests.faults.recovery import Recovery
from tests.faults.shadow import Shadow, is_due
from tests.faults.stage import LIVE, LOAD, Stage
from tests.faults.topics import Topics
from tests.faults.vendor import Key, Vendor

ATTEMPTS = 60
MARGIN_MS = 600_000  # the first polls ask for some minutes before they began
REPLAY_SECONDS = 5.0
REPLAY_EVERY = 5
HISTORY_SECONDS = 300


class Truth:
    """The comparison; ``compare`` reports each difference once, whichever fault caused it."""

    def __init__(self, stage: Stage, topics: Topics, load: Load, vendor: Vendor, recovery: Recovery):
        self.stage, self.topics, self.load, self.vendor, self.recovery = stage, topics, load, vendor, recovery
        self.shadow = Shadow(stage.kafka, stage.sessions, stage.book)
        self.known = Differences()
        self._explained: set[str] = set()  # ids of what the vendor's answers hold that cannot be used
        self.replay_seconds = self._rows = 0.0

    def compare(self, last: bool = False) -> Differences:
        """What differs now and did not before.

        Args:
            last: the whole log against the vendor and a replay, rather than the newest chunk of the load.

        Raises:
            AWAY of ``recovery``, TimeoutError: the platform does not come to rest.
        """
        for _ in range(ATTEMPTS):
            if self.recovery.unquiet() is None:
                differences = self._compare(last)
                # Had a minute come in between, topics and tables would not be of the same time.
                if self.topics.ends() == self.topics.offsets and self.recovery.unquiet() is None:
                    new = differences.without(self.known)
                    self.known.add(differences)
                    return new
            time.sleep(1)
        raise TimeoutError(f"the platform does not come to rest: {self.recovery.unquiet()}")

    def _compare(self, last: bool) -> Differences:
        differences = Differences()
        self.topics.read()
        while self.topics.broken:
            self.shadow.begin_again(*self.topics.broken.popitem())
        for partition, messages in self.topics.pending.items():
            self.shadow.consume(partition, messages)
            messages.clear()
        self._compare_bars(differences, last)
        self._compare_messages(differences)
        self._compare_breaks(differences)
        self._compare_warehouse(differences)
        self._compare_database(differences)
        self.stage.people.compare(self.stage, differences)
        self._compare_replay(differences, last)
        return differences

    def _compare_bars(self, differences: Differences, last: bool) -> None:
        since = self.stage.live_from_ms
        start, end = (self.load.windows[0][0] if last else self.load.windows[-1][0]), self.load.windows[-1][1]
        live, live_rejects = self.vendor.minutes(LIVE, since - MARGIN_MS, now_ms())
        loaded, load_rejects = self.vendor.minutes(LOAD, start, end)
        due = {
            key: bar for key, bar in live.items() if since <= key[2] and bar.close_ms <= self.recovery.cut_ms
        } | loaded
        there = self.topics.bars
        differences.lost |= {f"bar {key}" for key in due.keys() - there.keys()}
        differences.wrong |= {
            f"bar {key} has other values"
            for key in due.keys() & there.keys()
            if due[key].event_id != there[key].event_id
        }
        mine = {key for key in there if key[1] == "minute" and self._asked(key, start)}
        differences.wrong |= {f"bar {key} is not the vendor's" for key in mine - live.keys() - loaded.keys()}
        rejects = self.topics.rejects
        differences.lost |= {f"reject {it}" for it in load_rejects - rejects.keys()}
        self._explained |= live_rejects | load_rejects
        unexplained = rejects.keys() - self._explained
        differences.wrong |= {f"reject {it}: {rejects[it].reason}, {rejects[it].detail}" for it in unexplained}

    def _asked(self, key: Key, start: int) -> bool:
        return key[0] in LIVE or key[2] >= start

    def _compare_messages(self, differences: Differences) -> None:
        differences.count("metric", self.shadow.metrics, self.topics.metrics)
        alerts = {value: count for value, count in self.topics.alerts.items() if is_due(wire.decode(value))}
        differences.count("alert", self.shadow.alerts, Counter(alerts))
        # Bars that came back after a loss raise what those before them have raised.
        differences.doubled |= {
            f"alert {describe(value)}"
            for value, count in self.topics.alerts.items()
            if count > max(1, self.shadow.alerts[value])
        }

    def _compare_breaks(self, differences: Differences) -> None:
        """People are told once of each cause, however many partitions and consumers have found it."""
        due = {alert.event_id for alert in describe_breaks(self.topics.breaks, now_ms())}
        present = {it for it in self.topics.newest_alert if it.startswith(f"{LOG_BREAK}|")}
        differences.lost |= {f"alert {it}" for it in due - present}
        differences.lost |= {f"alert {it} to webhook" for it in due - self.stage.people.told().keys()}
        differences.doubled |= {f"alert {it}" for it in present - due}

    def _compare_warehouse(self, differences: Differences) -> None:
        """Each message is one row."""
        self._rows = 0
        for table, due in self.topics.rows.items():
            rows = self.stage.warehouse(f"select event_id, kafka_topic, kafka_partition, kafka_offset from raw.{table}")
            self._rows += len(rows)
            landed = Counter(map(tuple, rows))
            differences.lost |= {f"row of {table} {it}" for it in due - landed}
            differences.doubled |= {f"row of {table} {it} x{count}" for it, count in (landed - due).items()}

    def _compare_database(self, differences: Differences) -> None:
        """One row per alert, as its newest message has it, and one per incident, of all its alerts; these are made by
        the notifier and not published."""
        query = "select alert_id, record::text from alerts where symbol <> %s"
        rows = {alert_id: record.encode() for alert_id, record in self.stage.database(query, [FEED])}
        due = self.topics.newest_alert
        differences.lost |= {f"alert's row {it}" for it in due if rows.get(it) != due[it]}
        differences.doubled |= {f"alert's row {it}" for it in rows.keys() - due.keys()}
        members = defaultdict(list)
        # One that is covered by its incident is inhibited in its row, not in its message.
        query = "select incident, alert_id from alerts where incident is not null and record ->> 'inhibited_by' is null"
        for incident, alert_id in self.stage.database(query):
            members[incident].append(alert_id)
        query = "select alert_id, event_ids from alerts where symbol = %s"
        incidents = {alert_id: sorted(event_ids) for alert_id, event_ids in self.stage.database(query, [FEED])}
        differences.lost |= {f"incident {it}" for it in members if incidents.get(it) != sorted(members[it])}
        differences.doubled |= {f"incident {it}" for it in incidents.keys() - members.keys()}

    def _compare_replay(self, differences: Differences, last: bool) -> None:
        """Replay the whole log from files; it raises what ran live."""
        if any(found.cause is Cause.MADE_ANEW for found in self.topics.breaks):
            return  # most of what the alerts were raised by is gone
        number = len(self.load.windows)
        if not last and self.replay_seconds >= REPLAY_SECONDS and number % REPLAY_EVERY:
            return
        begun = time.monotonic()
        differences.replayed, lines = agreement.compare_log(
            self.stage.kafka, sessions=self.stage.sessions, book=self.stage.book
        )
        self.replay_seconds = time.monotonic() - begun
        differences.wrong |= {f"replay: {text}" for text in lines}
        if last:
            self.stage.airflow.run("judge_history", HISTORY_SECONDS)
            judged, lines = agreement.compare_history(
                self.stage.kafka, sessions=self.stage.sessions, book=self.stage.book
            )
            differences.replayed += judged
            differences.wrong |= {f"history: {text}" for text in lines}

    def counts(self) -> dict[str, int]:
        """Count the whole run so far: bars published, metrics, alerts, rows landed."""
        metrics, alerts = self.topics.metrics.total(), self.topics.alerts.total()
        return {"bars": self.topics.messages["bars"], "metrics": metrics, "alerts": alerts, "rows": int(self._rows)}

"""What live polls have asked for: a time that none has asked for is an outage of our own, and nothing else is.

A watermark follows the bars of its poll. So an alert after a hole may have to be raised before it is known whether the
poll that brought its bar asked for the hole as well: such alerts wait here for their watermark, which may correct them.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain

from msgspec.structs import replace

from include.surveillance.alerts import wording
from include.surveillance.detection.columns import SeriesKey
from include.surveillance.detection.holes import HALT_MINUTES, Hole, Outage
from include.surveillance.detection.record_episodes import RaisedAlert
from include.surveillance.detection.record_state import RecordState
from include.surveillance.records import Alert, Watermark
from include.surveillance.timespans import MINUTE_MS

_ORDER = 20  # of a correction among what one record raises: after all others


class Coverage:
    """Follows the live watermarks of one pass.

    Args:
        left: what earlier passes left behind; changed by ``settle``.
        watermarks: of the pass, each with its log index, in the order of the log.
    """

    def __init__(self, left: RecordState, watermarks: Iterable[tuple[int, Watermark]]):
        self._left = left
        self._polled: dict[str, list[tuple[int, Outage | None]]] = {}  # log index, and the outage that it tells of
        self._telling: set[str] = set()  # those of an outage
        self._waiting: list[tuple[int, Alert]] = []
        asked = dict(left.watermarks)
        for log_index, watermark in watermarks:
            name = f"{watermark.symbol}|{watermark.timespan}"
            until_ms = asked.get(name, 0)
            if watermark.source != "live" or watermark.as_of_ms <= until_ms:
                continue
            outage = (until_ms, watermark.from_ms) if 0 < until_ms < watermark.from_ms else None
            self._polled.setdefault(name, []).append((log_index, outage))
            if outage is not None:
                self._telling.add(name)
            asked[name] = watermark.as_of_ms

    def outage_before(self, key: SeriesKey, log_index: int) -> Outage | None:
        """Return the latest outage of a series that was known when a record came."""
        name = "|".join(key)
        told = [outage for number, outage in self._polled.get(name, ()) if outage and number < log_index]
        return told[-1] if told else self._left.outages.get(name)

    def add_alert(self, log_index: int, alert: Alert) -> None:
        """Let an alert after a hole wait for the watermark that says whether the hole was asked for."""
        if alert.source == "live" and alert.hole_cause not in (None, "our outage", "missing sessions"):
            self._waiting.append((log_index, alert))

    def settle(self) -> list[RaisedAlert]:
        """Return the alerts that a watermark corrects, and remember what later passes need."""
        corrected: list[RaisedAlert] = []
        by_name: dict[str, list[tuple[int, Alert]]] = {}
        for log_index, alert in sorted(self._waiting, key=lambda it: (it[0], it[1].rule)):
            by_name.setdefault(f"{alert.symbol}|{alert.timespan}", []).append((log_index, alert))
        # Where nothing waits and no outage is told of, a poll changes nothing.
        polled = (name for name in self._polled if name in self._left.waiting or name in self._telling)
        for name in dict.fromkeys(chain(polled, by_name)):
            waiting = [(-1, alert) for alert in self._left.waiting.pop(name, ())] + by_name.get(name, [])
            for number, outage in self._polled.get(name, ()):
                if outage is not None:
                    self._left.outages[name] = outage
                    due = (alert for log_index, alert in waiting if log_index < number and _explains(outage, alert))
                    corrected += [(number, _ORDER, _inhibit(alert)) for alert in due]
                waiting = [(log_index, alert) for log_index, alert in waiting if log_index > number]
            # Where no live poll has been, none will tell: a file, a backfill.
            if waiting and (name in self._left.watermarks or name in self._polled):
                self._left.waiting[name] = [alert for _, alert in waiting]
        return corrected


def _explains(outage: Outage, alert: Alert) -> bool:
    """Say whether nobody asked for a hole, but for fewer minutes at its ends than a halt takes."""
    assert alert.hole_start_ms is not None
    assert alert.hole_end_ms is not None
    asked_ms = max(0, outage[0] - alert.hole_start_ms) + max(0, alert.hole_end_ms - outage[1])
    overlap = min(outage[1], alert.hole_end_ms) - max(outage[0], alert.hole_start_ms)
    return overlap > 0 and asked_ms < HALT_MINUTES * MINUTE_MS


def _inhibit(alert: Alert) -> Alert:
    assert alert.hole_start_ms is not None
    assert alert.hole_end_ms is not None
    hole = alert.hole_start_ms, alert.hole_end_ms
    said, _, _ = alert.explanation.rpartition("; ")
    reason = Hole("our outage", *hole, (wording.date(hole[0]), wording.date(hole[1]))).describe()
    return replace(alert, hole_cause="our outage", inhibited_by=reason, explanation=f"{said}; {reason}.")

"""Which times of a series nothing has judged: what a backfill brings of them is history, and is judged once.

Nothing has judged what lies before a series' first bar, what no poll has asked for, and a silence of five minutes or
more that none has asked about. A bar of these times that is too old to take its place among the latest is walked over
in a series of its own, see ``columns.past_key``. Its time counts as judged from then on: the same bar once more, or
another of a time that was judged, says nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from operator import itemgetter
from typing import Literal, NamedTuple

import numpy as np

from include.surveillance.detection.columns import BarColumns, SeriesKey
from include.surveillance.detection.engine import Engine
from include.surveillance.detection.findings import Evaluation
from include.surveillance.detection.holes import HALT_MINUTES
from include.surveillance.detection.state import State
from include.surveillance.detection.succession import EVER
from include.surveillance.records import Watermark
from include.surveillance.timespans import MINUTE_MS, SPAN_MS

Time = tuple[int, int]
"""[from, to) in UTC epoch ms."""
MOST = 64
"""Times that are remembered of a series; of more, the shortest counts as judged."""
_LEAST_MS = HALT_MINUTES * MINUTE_MS


class _Event(NamedTuple):
    """What bears on which times were judged, at its place in the log.

    ``what`` says it of the time [from_ms, to_ms): a live poll or a backfill has asked for it, the series began with its
    first bar or was silent, a bar of it took its place among the latest, or a bar of it is too old for that: the one at
    ``position``.
    """

    log_index: int
    what: Literal["polled", "backfilled", "began", "silent", "late", "past"]
    from_ms: int
    to_ms: int
    position: int = -1


class History:
    """Follows one pass.

    Args:
        state: its record state has the times that nothing has judged; they are changed by ``settle``.
        watermarks: of the pass, each with its log index.

    Attributes:
        polled: per series, what polls have asked for while it had the ticker that they named.
    """

    def __init__(self, engine: Engine, state: State, watermarks: Iterable[tuple[int, Watermark]]):
        self._engine, self._state, self._left = engine, state, state.record_state
        self._firsts, self._ends = engine.sessions.edges()
        self._events: dict[SeriesKey, list[_Event]] = {}
        self.polled: dict[SeriesKey, list[_Event]] = {}
        tenures = engine.succession.tickers.tenures
        for log_index, it in watermarks:
            what: Literal["polled", "backfilled"] = "polled" if it.source == "live" else "backfilled"
            if not tenures(it.symbol):
                event = _Event(log_index, what, it.from_ms, it.as_of_ms)
                self.polled.setdefault((it.symbol, it.timespan), []).append(event)
                continue
            for key, start, end in engine.succession.spells(it.symbol, it.timespan):
                if it.as_of_ms > start:
                    event = _Event(log_index, what, min(max(it.from_ms, start), end), min(it.as_of_ms, end))
                    self.polled.setdefault(key, []).append(event)

    def add_new(self, evaluation: Evaluation, log_index: np.ndarray) -> None:
        """Add where series began, and the silences before their new bars.

        Args:
            log_index: of each bar of the scan.
        """
        ts, span, segments = evaluation.scan.bars.ts, evaluation.scan.span, evaluation.scan.segments
        of = np.repeat(np.arange(len(span)), segments.end - segments.start)
        began = np.zeros(len(ts), bool)
        began[segments.start] = True
        silent = np.zeros(len(ts), bool)
        silent[1:] = ts[1:] - ts[:-1] >= (np.maximum(span, _LEAST_MS) + span)[of[1:]]
        for at in np.flatnonzero((silent | began) & evaluation.fresh).tolist():
            key, number = self._state.keys[segments.state_row[of[at]]], int(log_index[at])
            if began[at]:
                self._add(key, _Event(number, "began", int(ts[at]), int(ts[at])))
            else:
                self._add(key, _Event(number, "silent", int(ts[at - 1] + span[of[at]]), int(ts[at])))

    def add_late(self, bars: BarColumns, log_index: np.ndarray) -> None:
        """Add bars that took their places among the latest."""
        self._add_bars("late", bars, np.arange(len(bars)), log_index)

    def add_past(self, bars: BarColumns, positions: np.ndarray, log_index: np.ndarray) -> None:
        """Add the bars at ``positions`` that are too old to take their places; ``log_index`` is that of each bar."""
        self._add_bars("past", bars, positions, log_index)

    def settle(self, count: int, last_bar: Callable[[SeriesKey, int], int | None]) -> tuple[np.ndarray, np.ndarray]:
        """Go through all that was added in the order of the log, and remember what is left unjudged.

        Args:
            count: of the bars that the positions count among.
            last_bar: gives the start of the latest bar of a series with a watermark before a place in the log.

        Returns:
            judged: of each bar of the past, whether its time had been judged before.
            ahead: whether behind its time one is left that nothing has judged. Both bool, by position.
        """
        judged, ahead = np.ones(count, bool), np.zeros(count, bool)
        for key, polled in self.polled.items():
            # Of the others, a poll changes nothing.
            if key in self._events or "|".join(key) in self._left.unjudged or self._leaves_out(key, polled):
                self._events.setdefault(key, []).extend(polled)
        for key, events in self._events.items():
            self._follow(key, sorted(events, key=itemgetter(0)), last_bar, judged, ahead)
        return judged, ahead

    def _leaves_out(self, key: SeriesKey, polled: list[_Event]) -> bool:
        """Say whether some of these polls asked for the past, or left time out that nobody has asked for."""
        until = self._asked_until(key)
        for event in polled:
            if event.what == "backfilled" or 0 < until < event.from_ms:
                return True
            until = max(until, event.to_ms)
        return False

    def _asked_until(self, key: SeriesKey) -> int:
        """Return up to when live polls had asked for a series before the pass."""
        (holder, timespan), until = key, 0
        succession = self._engine.succession
        names = succession.tickers.names(holder)
        if len(names) == 1 and not succession.tickers.tenures(holder):
            # It has always had its ticker alone, as nearly all have.
            return self._left.watermarks.get("|".join(key), 0)
        for name in {name for _, name in names}:
            watermark = self._left.watermarks.get(f"{name}|{timespan}", 0)
            for own, start, end in succession.spells(name, timespan) if watermark else ():
                if own == key and watermark > start:
                    until = max(until, min(watermark, end))
        return until

    def _follow(
        self,
        key: SeriesKey,
        events: list[_Event],
        last_bar: Callable[[SeriesKey, int], int | None],
        judged: np.ndarray,
        ahead: np.ndarray,
    ) -> None:
        row, name, least = self._state.rows.get(key), "|".join(key), max(SPAN_MS[key[1]], _LEAST_MS)
        if row is None or not self._state.bar_count[row]:
            return
        since = int(self._state.since[row])
        began = any(event.what == "began" for event in events)
        left: list[Time] = [] if began else self._left.unjudged.get(name, [(-EVER, since)])
        asked = self._asked_until(key)
        for log_index, what, from_ms, to_ms, position in events:
            if what == "began":
                left, began = [(-EVER, from_ms)], False
            elif what == "silent":
                left = self._with(left, (max(from_ms, asked), to_ms), least)
            elif what == "past":
                judged[position] = not any(start <= from_ms < end for start, end in left)
                ahead[position] = bool(left) and left[-1][1] > from_ms
            elif what == "polled":
                if asked and not began and (last_ms := last_bar(key, log_index)) is not None:
                    left = self._with(left, (max(asked, last_ms + SPAN_MS[key[1]]), from_ms), least)
                # What lies before the first bar is not what live polls ask for.
                asked, from_ms = max(asked, to_ms), max(from_ms, since)
            if what == "late":
                # The order in which live bars come changes nothing.
                since, left = min(since, from_ms), self._without(left, (from_ms, to_ms), least, least)
            elif what in ("polled", "backfilled") or (what == "past" and not judged[position]):
                left = self._without(left, (from_ms, to_ms), least)
        self._state.since[row] = since
        if left != [(-EVER, since)]:
            self._left.unjudged[name] = left
        else:
            self._left.unjudged.pop(name, None)

    def _with(self, left: list[Time], more: Time, least: int) -> list[Time]:
        if not self._counts(more, least):
            return left
        left = sorted([*self._without(left, more, least), more])
        if len(left) > MOST:
            left.remove(min(left, key=lambda time: time[1] - time[0]))
        return left

    def _without(self, left: list[Time], judged: Time, least: int, least_behind: int = 1) -> list[Time]:
        """Take a time out, and what remains before it where that no longer counts.

        A walk may come to what remains behind it, however short that is.
        """
        start, end = judged
        parts = []
        for it in left:
            if it[1] <= start or end <= it[0]:
                parts.append(it)
            else:
                before, behind = (it[0], start), (end, it[1])
                parts += [before] * self._counts(before, least) + [behind] * self._counts(behind, least_behind)
        return parts

    def _counts(self, time: Time, least: int) -> bool:
        """Say whether a time is long enough to matter, and the market not closed all the while."""
        start, end = time
        if end - start < least:
            return False
        return bool(self._ends.searchsorted(start, side="right") < self._firsts.searchsorted(end))

    def _add_bars(
        self, what: Literal["late", "past"], bars: BarColumns, positions: np.ndarray, log_index: np.ndarray
    ) -> None:
        for at in positions.tolist():
            ts_ms, key = int(bars.ts[at]), bars.key(at)
            self._add(key, _Event(int(log_index[at]), what, ts_ms, ts_ms + SPAN_MS[key[1]], at))

    def _add(self, key: SeriesKey, event: _Event) -> None:
        self._events.setdefault(key, []).append(event)

"""The market as the vendor's customer sees it: what has been published by now, and how it is cut into bars."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, tzinfo
from pathlib import Path
from typing import Any

import numpy as np

from include.polygon_simulator.anomalies import ENTERED_MS, Label, Plan
from include.polygon_simulator.bars import Bars, Source
from include.polygon_simulator.crowd import Crowd
from include.polygon_simulator.recorded_bars import RecordedSource
from include.polygon_simulator.synthetic_bars import SyntheticSource
from include.polygon_simulator.universe import CANARIES, Instrument, generated, listed
from include.surveillance.errors import ConfigurationError
from include.surveillance.sessions import Session, Sessions
from include.surveillance.timespans import DAY_MS, MINUTE_MS, NEW_YORK, now_ms

FOREVER_MS = 2**53


@dataclass(frozen=True)
class Market:
    """Instruments, their bars and the clock that decides what is visible.

    A bar is visible once its minute has closed and ``delay_ms`` have passed.
    """

    mode: str
    seed: int
    sessions: Sessions
    instruments: dict[str, Instrument]
    sources: dict[str, Source]
    plan: Plan
    clock: Callable[[], int] = now_ms
    delay_ms: int = 1000
    first_ms: int = 0
    last_ms: int | None = None  # a recording ends
    crowd: Crowd | None = None  # the source of very many symbols

    @property
    def zone(self) -> tzinfo:
        """The zone in which days begin: New York, or UTC in the market that never closes."""
        return UTC if self.sessions.calendar == "24/7" else NEW_YORK

    def day_start(self, session: Session) -> int:
        """Return the local midnight before the session, moved in time with it."""
        midnight = datetime.combine(date.fromisoformat(session.date), datetime.min.time(), self.zone)
        return int(midnight.timestamp() * 1000) + self.sessions.shift_ms

    def day(self, session: Session) -> str:
        """Return the date on which the session runs by the server's clock."""
        return datetime.fromtimestamp(session.open_ms / 1000, self.zone).date().isoformat()

    def today(self) -> str:
        return datetime.fromtimestamp(self.clock() / 1000, self.zone).date().isoformat()

    def sessions_between(self, start_ms: int, end_ms: int) -> Iterator[Session]:
        """Yield the sessions of this market that overlap [start_ms, end_ms), oldest first."""
        end_ms = min(end_ms, self.clock())
        if self.last_ms is not None:
            end_ms = min(end_ms, self.last_ms + 1)
        start_ms = max(start_ms, self.first_ms)
        session = self.sessions.at_or_before(start_ms) or self.sessions.following(start_ms)
        while session and session.open_ms < end_ms:
            if session.close_ms > start_ms:
                yield session
            session = self.sessions.following(session.open_ms)

    def latest_sessions(self, count: int) -> list[Session]:
        """Return the latest ``count`` sessions that have opened by now, newest first."""
        edge = self.clock() if self.last_ms is None else min(self.clock(), self.last_ms)
        return [s for s in reversed(self.sessions.recent(count, edge)) if s.close_ms > self.first_ms]

    @property
    def visible_ms(self) -> int:
        """The time before which bars must start to be visible."""
        return self.clock() - self.delay_ms - MINUTE_MS + 1

    def minutes(
        self, symbol: str, session: Session, adjusted: bool = True, start_ms: int = 0, end_ms: int = FOREVER_MS
    ) -> Bars:
        """Return the session's visible minute bars that start in [start_ms, end_ms), unbroken."""
        source = self.sources[symbol]
        known = source.minutes(symbol, session, start_ms, min(end_ms, self.visible_ms))
        today = self.sessions.at_or_before(self.clock()) if adjusted else None
        return known.scaled(source.share_factor(symbol, today or session))

    def session_bar(self, symbol: str, session: Session, adjusted: bool = True) -> Bars:
        """Return the visible minutes as one bar that starts at local midnight; no bar before the first trade."""
        minutes = self.minutes(symbol, session, adjusted)
        return minutes.grouped(np.zeros(len(minutes)), np.array([self.day_start(session)], dtype=np.int64))

    def labels(self, start_ms: int, end_ms: int) -> list[Label]:
        """Return the labels whose window touches [start_ms, end_ms] and has begun."""
        end_ms = min(end_ms, self.clock())
        if self.last_ms is not None:
            end_ms = min(end_ms, self.last_ms)
        labels: list[Label] = []
        for session in self.sessions_between(start_ms - DAY_MS, end_ms + 1):
            labels += [anomaly.label(session) for anomaly in self.plan.session(session)]
            if self.crowd:
                labels += self.crowd.labels(session, start_ms - DAY_MS, end_ms)
        touching = [label for label in labels if label["start_ms"] <= end_ms and label["end_ms"] >= start_ms]
        return sorted(touching, key=lambda label: (label["start_ms"], label["symbol"]))


def synthetic_market(seed: int, calendar: str, symbols: int, watched_from_ms: int = 0, **options: Any) -> Market:
    """Make a generated market on the sessions of ``calendar``.

    It has no last session that tells when somebody looks at it, so that has to be said: market anomalies are frequent
    from ``watched_from_ms`` to the end of that session (while the market is closed: in the next one), and rare at all
    other times. A market that never closes and had them all the time would make them usual.

    Raises:
        ConfigurationError: unknown calendar, or a number of symbols that the market does not have.
    """
    sessions, instruments = Sessions(calendar), generated(symbols)
    liquid = tuple(instrument.symbol for instrument in instruments if not instrument.thin)
    watched = sessions.at_or_before(watched_from_ms)
    if watched is None or watched.close_ms <= watched_from_ms:
        watched = sessions.following(watched_from_ms)
    plan = Plan(seed, liquid, max(watched_from_ms, watched.open_ms) if watched else watched_from_ms)
    source = SyntheticSource(seed, instruments, sessions, plan, splits=True)
    return Market(
        mode="synthetic",
        seed=seed,
        sessions=sessions,
        instruments={instrument.symbol: instrument for instrument in instruments},
        sources={instrument.symbol: source for instrument in instruments},
        plan=plan,
        **options,
    )


def replay_market(seed: int, path: Path, shift_ms: int, **options: Any) -> Market:
    """Make a market of recorded bars on XNYS, moved by ``shift_ms``, and canaries that carry the labelled anomalies.

    Its last session is the one that is watched, from ``ENTERED_MS`` on: there market anomalies are frequent.

    Raises:
        ConfigurationError: the file cannot be replayed.
    """
    sessions, recording = Sessions("XNYS", shift_ms), RecordedSource(path, shift_ms)
    first, last = (sessions.at_or_before(edge_ms) for edge_ms in (recording.first_ms, recording.last_ms))
    if first is None or last is None:
        raise ConfigurationError(f"{path} begins before the exchange calendar; give a newer recording")
    plan = Plan(seed, tuple(canary.symbol for canary in CANARIES), last.open_ms + ENTERED_MS, first.date)
    canaries = SyntheticSource(seed, CANARIES, sessions, plan, splits=False)
    recorded = [Instrument(symbol, f"{symbol} (recorded)", "recorded") for symbol in recording.symbols]
    return Market(
        mode="replay",
        seed=seed,
        sessions=sessions,
        instruments={instrument.symbol: instrument for instrument in (*recorded, *CANARIES)},
        sources=dict.fromkeys(recording.symbols, recording) | {canary.symbol: canaries for canary in CANARIES},
        plan=plan,
        first_ms=first.open_ms,
        last_ms=last.close_ms - 1,
        **options,
    )


def crowded(market: Market, path: Path) -> Market:
    """Return the market with all symbols of a CSV beside its own; see ``crowd``.

    Raises:
        ConfigurationError: unreadable file, or one without a column ``symbol`` or ``ticker``.
    """
    added = {item.symbol: item for item in listed(path) if item.symbol not in market.instruments}
    if not added:
        return market
    crowd = Crowd(market.seed, tuple(added))
    sources = market.sources | dict.fromkeys(added, crowd)
    return replace(market, instruments=market.instruments | added, sources=sources, crowd=crowd)

"""Why nothing was told of a symbol on a session: what the rules saw there, and what the budget asks for."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from include.surveillance.detection.positions import iso_date
from include.surveillance.detection.rules.registry import KINDS, TAILED
from include.surveillance.detection.tails import find_periods, tail_numbers
from include.surveillance.timespans import write_new_york
from tests.benchmarks.scorecard.held_against import Raised, Recorded
from tests.benchmarks.scorecard.raised import EVENT, INHIBITED, MEMBER, SINGLE

NO_BAR, NO_PROFILE, INSIDE, EXPLAINED = "no bar", "no profile yet", "in an earlier alert", "inhibited"
NOT_RARE, HELD_BACK = "not rare enough", "rare enough, another condition fails"
REASONS = (NO_PROFILE, INSIDE, EXPLAINED, NOT_RARE, HELD_BACK)
"""Why nothing is told of a bar, the first that is so."""


class Witness:
    """Says of any symbol and session what was told, or why nothing was."""

    def __init__(self, recorded: Recorded, raised: Raised):
        self.recorded, self.raised = recorded, raised
        alerts = raised.alerts[raised.alerts["told"] != EVENT]
        self._told: dict[tuple[str, str, str], list[int]] = {}
        for row, key in enumerate(zip(alerts["symbol"], alerts["session_date"], alerts["told"], strict=True)):
            self._told.setdefault(key, []).append(row)
        self._alerts = alerts
        firings, days = raised.run.evaluation.fresh_firings, raised.days
        self._firings: dict[int, list[int]] = {}
        for f, day in enumerate(days.of_bar[firings.index].tolist()):
            self._firings.setdefault(day, []).append(f)

    def find_told(self, symbol: str, date: str) -> tuple[str, list[int]]:
        """Return how a symbol's alerts of a session are told, on their own before as members, and their rows."""
        for told in (SINGLE, MEMBER):
            if rows := self._told.get((symbol, date, told)):
                return told, rows
        return "", []

    def describe_alert(self, row: int) -> str:
        """Say rule, tag, rarity and score of an alert."""
        alert = self._alerts.iloc[row]
        known = alert.rarity_sessions == alert.rarity_sessions
        rarity = f"once in {alert.rarity_sessions:,.0f}" if known else alert.form
        return f"{alert['rule']} {alert.direction}".rstrip() + f" ({alert.tag}, {rarity}, score {alert.score:.0f})"

    def explain(self, symbol: str, date: str) -> tuple[str, str]:
        """Return one of ``REASONS`` and a sentence with its numbers."""
        days, scan = self.raised.days, self.raised.run.evaluation.scan
        day = int(days.positions(days.find([symbol], [date]))[0])
        if day < 0 or iso_date(int(days.ordinals[days.key[day] & 0xFFFF_FFFF])) != date:
            return NO_BAR, NO_BAR
        if rows := self._told.get((symbol, date, INHIBITED)):
            alert = self._alerts.iloc[rows[0]]
            return EXPLAINED, f"{self.describe_alert(rows[0])}: {alert.because}"
        bars = self._bars_of(day)
        if (scan.profile[bars] < 0).all():
            return NO_PROFILE, f"{NO_PROFILE}: {days.earlier[day]} sessions before it"
        if firings := self._firings.get(day):
            fired = self.raised.run.evaluation.fresh_firings
            begun = min(firings, key=lambda f: int(fired.start[f]))
            (rule, direction), start_ms = KINDS[fired.kind[begun]], int(fired.start[begun])
            name = f"{rule} {direction}".rstrip()
            return INSIDE, f"{name} fires within the alert of {write_new_york(start_ms)[:10]}"
        return self._describe_rarities(bars)

    def _bars_of(self, day: int) -> np.ndarray:
        first, last = np.searchsorted(self.raised.days.of_bar, [day, day + 1])
        return np.arange(first, last)

    def _describe_rarities(self, bars: np.ndarray) -> tuple[str, str]:
        """Say of the rule that came nearest to what the budget asks for how rare it was."""
        budget = self.raised.run.engine.book.base.budget
        reached = []
        for rule, periods in self._periods.items():
            known = periods[bars][~np.isnan(periods[bars])]
            if len(known):
                rarest, asked = float(known.max()), budget.period(rule)
                reached.append((rarest / asked, f"{rule}: once in {rarest:,.0f} sessions, once in {asked:,.0f} asked"))
        far, said = max(reached, default=(0.0, "no rule applies"))
        return (HELD_BACK, f"{said}; {HELD_BACK}") if far > 1 else (NOT_RARE, said)

    @cached_property
    def _periods(self) -> dict[str, np.ndarray]:
        """Once in how many sessions each rule sees so much, per bar; NaN where it does not apply."""
        engine, recording = self.raised.run.engine, self.recorded.recording
        scan, scores = engine.score(recording.series(engine))
        levels, regular = scan.profiles.levels, scan.positions.regular
        return {
            rule: find_periods(levels, scan.profile, tail_numbers(TAILED.index(rule), regular), score)
            for rule, score in scores.items()
        }

"""How likely it is that a rule has been silent for so long, by its own rate at each time of day.

A rule that is broken raises nothing, and nothing else says so. What is counted is the half-hour, of those in which
polls went: it has an alert of the rule or not, so that one burst of alerts counts once. How often a rule alerts differs
from day to day, and is known from few days: the number of half-hours with an alert to expect, m, has a gamma
distribution around it, so that (Greenwood and Yule 1920, the negative binomial distribution)

    P(none) = (k / (k + m)) ^ k        k = days with an alert + 1/2

A rule that has hardly ever alerted is never surprising; one that alerts every day is after 7 to 9 half-hours expected.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from datetime import datetime
from functools import lru_cache

from include.monitoring.catalogue import Catalogue
from include.monitoring.database import DatabaseLook, statement
from include.surveillance.timespans import NEW_YORK

HALF_HOUR_SECONDS = 1_800
# Half-hours of a time of day that are worth as much as the rule's rate over all of them.
PRIOR_HALF_HOURS = 4.0
ASK_SECONDS = 60.0
DAYS = 31


def probability_of_silence(alerted: Collection[int], watched: Collection[int]) -> float:
    """Return how likely it is that a rule has been silent since its last alert, from 0 to 1.

    Args:
        alerted: half-hours since 1970 in which the rule alerted.
        watched: those in which polls went and that are over.
    """
    if not alerted:
        return 1.0
    last = max(alerted)
    known = {half_hour for half_hour in watched if half_hour <= last} | set(alerted)
    seen, hit = defaultdict[int, int](int), defaultdict[int, int](int)
    for half_hour in known:
        seen[time_of_day(half_hour)] += 1
    for half_hour in alerted:
        hit[time_of_day(half_hour)] += 1
    rate = len(set(alerted)) / len(known)
    expected = 0.0
    for half_hour in watched:
        if half_hour > last:
            at = time_of_day(half_hour)
            expected += (hit[at] + PRIOR_HALF_HOURS * rate) / (seen[at] + PRIOR_HALF_HOURS)
    shape = len({day_of(half_hour) for half_hour in alerted}) + 0.5
    return (shape / (shape + expected)) ** shape


@lru_cache(DAYS * 48)
def time_of_day(half_hour: int) -> int:
    """Return the half-hour of the day in New York, 0 to 47."""
    moment = datetime.fromtimestamp(half_hour * HALF_HOUR_SECONDS, NEW_YORK)
    return moment.hour * 2 + moment.minute // 30


@lru_cache(DAYS * 48)
def day_of(half_hour: int) -> int:
    """Return the day in New York, as a number."""
    return datetime.fromtimestamp(half_hour * HALF_HOUR_SECONDS, NEW_YORK).toordinal()


class Silence(DatabaseLook):
    """Says of each rule and timespan that has ever alerted how likely its silence is."""

    part, every = "rules", 15.0

    def __init__(self, connection: str, catalogue: Catalogue):
        super().__init__(connection)
        self._catalogue = catalogue
        self._shown: set[tuple[str, str]] = set()
        self._asked = float("-inf")

    def measure(self, now: float) -> None:
        if now - self._asked < ASK_SECONDS:
            return
        current = int(now // HALF_HOUR_SECONDS)
        watched = {half_hour for (half_hour,) in self.execute(statement("watched")) if half_hour < current}
        alerted = defaultdict[tuple[str, str], set[int]](set)
        for rule, timespan, half_hour in self.execute(statement("alerted")):
            alerted[rule, timespan].add(half_hour)
        for labels, half_hours in alerted.items():
            self._catalogue.silence.labels(*labels).set(probability_of_silence(half_hours, watched))
        # Of what alerted last a month ago nobody knows any more how often it should.
        for labels in self._shown - set(alerted):
            self._catalogue.silence.remove(*labels)
        self._shown, self._asked = set(alerted), now

"""Decides what people are told: of each cause once when it begins and once when it is over, of consequences nothing.

Nothing here knows a clock, a file or a server: the same sights give the same news.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

Status = Literal["well", "doubtful", "failing"]

# A component that has not been well since the watchdog began may still be starting, on a busy machine for as long.
STARTING_SECONDS = 600.0
# Well for so long: it is over.
CALM_SECONDS = 20.0
# After a cause is over its consequences have so long to be over, too.
RECOVERY_SECONDS = 180.0
# What nobody has looked at for so long is not watched any more: a setting has changed.
FORGOTTEN_SECONDS = 86_400.0
# Without a look for so long, e.g. while the machine slept, everything counts as starting.
BLIND_SECONDS = 120.0

AIRFLOW = ("api-server", "execution-api", "scheduler", "dag-processor", "triggerer")
WORKERS = ("worker-poll", "worker-detect", "worker-batch")
DATA = ("feed", "bars", "detection", "landing")
# Cause -> what is its consequence, directly.
BREAKS: dict[str, tuple[str, ...]] = {
    "disk-full": ("disk", "postgres", "redis", "kafka", "warehouse", *AIRFLOW, *WORKERS, *DATA),
    "postgres": (*AIRFLOW, *WORKERS, *DATA),
    "redis": ("scheduler", *WORKERS, *DATA),
    "kafka": DATA,
    "warehouse": ("landing",),
    "execution-api": (*WORKERS, *DATA),
    "scheduler": DATA,
    "triggerer": ("detection",),
    "worker-poll": ("feed", "bars", "landing"),
    "worker-detect": ("detection",),
    "worker-batch": ("landing",),
    "feed": ("bars",),
}


def kind_of(cause: str) -> str:
    """Return what a cause is one of: ``disk /var`` is a disk."""
    return cause.partition(" ")[0]


def find_breakers(cause: str) -> set[str]:
    """List the kinds of causes, direct or not, of which this one may be a consequence."""
    kind, found = kind_of(cause), set[str]()
    wanted = [kind]
    while wanted:
        broken = wanted.pop()
        new = {breaker for breaker, consequences in BREAKS.items() if broken in consequences} - found
        found |= new
        wanted += new
    return found - {kind}


@dataclass(frozen=True)
class Sight:
    """What a look at one component has shown.

    Attributes:
        cause: the component, e.g. ``scheduler``; a kind and a name where there are several, e.g. ``disk /var``.
        text: what is wrong, for people; of no meaning when it is well.
        patience: for how many seconds it must be failing before anybody is told.
    """

    cause: str
    status: Status = "well"
    text: str = ""
    patience: float = 0.0


@dataclass(frozen=True)
class News:
    """What people are told: that a cause has begun, or that it is over; times are epoch seconds."""

    cause: str
    event: Literal["began", "over"]
    since: float
    at: float
    text: str


@dataclass
class Open:
    """A cause that people were told of at a time, and has not been over since."""

    since: float
    text: str
    told_at: float = 0.0


@dataclass
class Judge:
    """Turns what was seen into news.

    Attributes:
        open: by cause, what people know of.
        ended: by cause, when it was last over.
    """

    open: dict[str, Open] = field(default_factory=dict)
    ended: dict[str, float] = field(default_factory=dict)
    _failing: dict[str, float] = field(default_factory=dict)
    _well: dict[str, float] = field(default_factory=dict)
    _last_well: dict[str, float] = field(default_factory=dict)
    _unproven: dict[str, bool] = field(default_factory=dict)
    _unseen: dict[str, float] = field(default_factory=dict)
    _looked: float | None = None

    def judge(self, sights: Iterable[Sight], now: float) -> list[News]:
        """Take what a round has seen at ``now``; what it says nothing of stays as it is known."""
        seen = {sight.cause: sight for sight in sights}
        if self._looked is None or now - self._looked > BLIND_SECONDS:
            self._failing, self._well, self._unproven = {}, {}, {}
        self._looked = now
        for sight in seen.values():
            self._note(sight, now)
        self._forget(seen, now)
        bad = {kind_of(cause) for cause, sight in seen.items() if sight.status != "well"}
        bad |= {kind_of(cause) for cause in self.open}
        return [*self._over(now), *self._began(seen, bad, now)]

    @property
    def is_well(self) -> bool:
        """Whether nothing is failing and nothing that people were told of is open."""
        return not self.open and not self._failing

    def _forget(self, seen: Mapping[str, Sight], now: float) -> None:
        self._unseen = {cause: self._unseen.get(cause, now) for cause in self.open.keys() - seen.keys()}
        for cause, since in self._unseen.items():
            if now - since > FORGOTTEN_SECONDS:
                del self.open[cause]

    def _recovering(self, cause: str, now: float) -> set[str]:
        """List the kinds of what was over so shortly ago that this cause may still come of it.

        A component that was well since has failed by itself. Data grow old later than what brings them.
        """
        late = kind_of(cause) in DATA
        ended = {it: at for it, at in self.ended.items() if now - at < RECOVERY_SECONDS}
        return {kind_of(it) for it, at in ended.items() if late or self._last_well.get(cause, 0.0) < at}

    def _note(self, sight: Sight, now: float) -> None:
        cause = sight.cause
        if sight.status == "well":
            self._well.setdefault(cause, now)
            self._last_well[cause] = now
            self._failing.pop(cause, None)
            self._unproven[cause] = False
        else:
            self._well.pop(cause, None)
            self._unproven.setdefault(cause, True)
            if sight.status == "failing":
                self._failing.setdefault(cause, now)
            else:
                self._failing.pop(cause, None)

    def _over(self, now: float) -> Iterator[News]:
        for cause, known in list(self.open.items()):
            if cause in self._well and now - self._well[cause] >= CALM_SECONDS:
                del self.open[cause]
                self.ended[cause] = now
                yield News(cause, "over", known.since, now, known.text)

    def _began(self, seen: Mapping[str, Sight], breakers: set[str], now: float) -> Iterator[News]:
        for cause, since in sorted(self._failing.items()):
            if cause in self.open or cause not in seen:
                continue
            patience = max(seen[cause].patience, STARTING_SECONDS if self._unproven[cause] else 0.0)
            if now - since >= patience and not find_breakers(cause) & (breakers | self._recovering(cause, now)):
                self.open[cause] = Open(since, seen[cause].text, now)
                yield News(cause, "began", since, now, seen[cause].text)

"""Profiles as columns: what the engine holds bars against, and what becomes a record only where one is asked for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Literal, get_args, overload

import numpy as np

from include.surveillance.detection.columns import SeriesKey
from include.surveillance.detection.positions import date_ordinal, iso_date
from include.surveillance.detection.tails import BINS, PERIODS, PRIOR_PERIOD, PRIOR_SHAPE, count_scores
from include.surveillance.records import Profile, Tail

Liquidity = Literal["liquid", "mid", "thin"]
LIQUIDITY: tuple[Liquidity, ...] = get_args(Liquidity)
PARTS: tuple[Literal["regular", "around"], ...] = ("regular", "around")
LISTS = ("volume_level", "volume_scale", "return_factor", "presence")
NUMBERS = ("volatility_fire", "volatility_clear", "range_percent", "turnover")
ENOUGH = 3
"""Sessions from which on a profile rests on its own; the series of one with fewer is new, and it borrows."""


@dataclass(frozen=True)
class TailHistory:
    """Holds the greatest scores of sessions, from which the tails of all profiles are counted.

    Attributes:
        rules: two tails each, as in ``PARTS``.
        priors: what each rule holds for rare while nothing is known, within the day and of day bars, [2, rule].
        maxima: [session, tail], sorted by series and time; NaN where nothing was judged.
        earlier: sessions per bin that the first profile of each series began with, [series, tail, bin].
    """

    rules: tuple[str, ...]
    priors: np.ndarray
    maxima: np.ndarray
    earlier: np.ndarray


NO_HISTORY = TailHistory((), np.empty((2, 0)), np.empty((0, 0)), np.empty((0, 0, BINS), np.int64))


@dataclass(frozen=True)
class ProfileColumns(Sequence[Profile]):
    """Profiles in an order that their maker says, one array element each; each is the record that it is when asked for.

    Attributes:
        keys: (symbol, timespan) of each code.
        asset_class: of each code.
        code: index into ``keys``, int32.
        effective_ms: int64.
        first_day, last_day: of the sessions, days since 1970, int32.
        sessions: how many, int32.
        volume_level, volume_scale, return_factor, presence: [profile, slot]; NaN is not applicable.
        slots: how many of the slots a profile has, int32; the others are NaN.
        volatility_fire, volatility_clear, range_percent, turnover: float64.
        liquidity: index into ``LIQUIDITY``, int8.
        range_long, carried: float64, int32.
        levels: [profile, tail, period], NaN where a profile knows no tails, infinite where nothing can be said yet.
        tail_rows: of each profile, what its tails have counted: the row of ``history.earlier``, and from which row of
            ``history.maxima`` to which, [profile, 3], int64.
        history: what the tails have counted, once for all profiles.
    """

    keys: list[SeriesKey]
    asset_class: list[str]
    code: np.ndarray
    effective_ms: np.ndarray
    first_day: np.ndarray
    last_day: np.ndarray
    sessions: np.ndarray
    volume_level: np.ndarray
    volume_scale: np.ndarray
    return_factor: np.ndarray
    presence: np.ndarray
    slots: np.ndarray
    volatility_fire: np.ndarray
    volatility_clear: np.ndarray
    range_percent: np.ndarray
    turnover: np.ndarray
    liquidity: np.ndarray
    range_long: np.ndarray
    carried: np.ndarray
    levels: np.ndarray
    tail_rows: np.ndarray
    history: TailHistory = field(default_factory=lambda: NO_HISTORY)
    _records: dict[int, Profile] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.code)

    @overload
    def __getitem__(self, index: int) -> Profile: ...
    @overload
    def __getitem__(self, index: slice) -> list[Profile]: ...
    def __getitem__(self, index: int | slice) -> Profile | list[Profile]:
        if isinstance(index, slice):
            return [self._record(number) for number in range(*index.indices(len(self)))]
        if not -len(self) <= index < len(self):
            raise IndexError(f"profile {index} of {len(self)}")
        return self._record(index % len(self))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and len(self) == len(other) and all(map(Profile.__eq__, self, other))

    __hash__ = None  # type: ignore[assignment]

    def take(self, index: np.ndarray) -> ProfileColumns:
        """Take the profiles at ``index``, in its order."""
        arrays = {name: getattr(self, name)[index] for name in ARRAYS}
        numbers = enumerate(np.arange(len(self))[index].tolist()) if self._records else ()
        records = {number: self._records[was] for number, was in numbers if was in self._records}
        return ProfileColumns(self.keys, self.asset_class, **arrays, history=self.history, _records=records)

    def widened(self, name: str, slots: int) -> np.ndarray:
        """Return a list's values as [profile, slot] of so many slots, NaN behind what a profile knows."""
        values = getattr(self, name)[:, :slots]
        if values.shape[1] == slots:
            return values
        return np.pad(values, ((0, 0), (0, slots - values.shape[1])), constant_values=np.nan)

    def priors(self, priors: np.ndarray) -> np.ndarray:
        """Return what is held for rare while nothing is known, [profile, tail]."""
        daily = np.array([int(timespan == "day") for _, timespan in self.keys], np.int64)
        return np.repeat(priors[daily[self.code]], len(PARTS), axis=1)

    def describe(self, index: int) -> tuple[str, str]:
        """Return the asset class and the liquidity of a profile."""
        return self.asset_class[self.code[index]], LIQUIDITY[self.liquidity[index]]

    def version(self, index: int) -> str:
        """Name a profile as an alert cites it."""
        return self._record(index).version

    def _record(self, index: int) -> Profile:
        known = self._records.get(index)
        if known is None:
            code, count = int(self.code[index]), int(self.slots[index])
            lists = {
                name: [None if value != value else value for value in getattr(self, name)[index, :count].tolist()]
                for name in LISTS
            }
            measured: dict[str, Any] = lists | {name: float(getattr(self, name)[index]) for name in NUMBERS}
            symbol, timespan = self.keys[code]
            known = self._records[index] = Profile(
                symbol=symbol,
                timespan=timespan,
                effective_ms=int(self.effective_ms[index]),
                first_date=iso_date(int(self.first_day[index])),
                last_date=iso_date(int(self.last_day[index])),
                sessions=int(self.sessions[index]),
                liquidity=LIQUIDITY[self.liquidity[index]],
                asset_class=self.asset_class[code],
                **measured,
                **self._describe_tails(index),
            )
        return known

    def _describe_tails(self, index: int) -> dict[str, Any]:
        """Return the fields of a record that its profile was carried forward with."""
        if not self.carried[index]:
            return {}
        begun, first, last = self.tail_rows[index].tolist()
        counts = count_scores(self.history.earlier[begun], self.history.maxima[first:last])
        tails = []
        unknown = prior_levels(_prior_of(self.history.priors, self.keys[self.code[index]][1]))
        for number in np.flatnonzero(counts.any(axis=1) | (self.levels[index] != unknown).any(axis=1)).tolist():
            held = np.flatnonzero(counts[number])
            tails.append(
                Tail(
                    rule=self.history.rules[number // len(PARTS)],
                    part=PARTS[number % len(PARTS)],
                    sessions=int(counts[number].sum()),
                    scores=list(zip(held.tolist(), counts[number, held].tolist(), strict=True)),
                    levels=self.levels[index, number].tolist(),
                )
            )
        return {"range_long": float(self.range_long[index]), "carried": int(self.carried[index]), "tails": tails}

    @classmethod
    def from_records(
        cls, profiles: Iterable[Profile], rules: Sequence[str] = (), priors: np.ndarray = NO_HISTORY.priors
    ) -> ProfileColumns:
        """Take the columns from records, in their order; ``rules`` name the tails that are wanted, see TailHistory."""
        profiles = list(profiles)
        series = [(it.symbol, it.timespan, it.asset_class) for it in profiles]
        codes = {key: code for code, key in enumerate(dict.fromkeys(series))}
        slots = np.array([len(it.volume_level) for it in profiles], np.int32)
        columns: dict[str, Any] = {}
        for name in LISTS:
            columns[name] = np.full((len(profiles), max(slots, default=0)), np.nan)
            for row, it in zip(columns[name], profiles, strict=True):
                values = getattr(it, name)
                row[: len(values)] = values
        for name in NUMBERS:
            columns[name] = np.array([getattr(it, name) for it in profiles], float)
        return cls(
            keys=[(symbol, timespan) for symbol, timespan, _ in codes],
            asset_class=[asset_class for *_, asset_class in codes],
            code=np.array([codes[key] for key in series], np.int32),
            effective_ms=np.array([it.effective_ms for it in profiles], np.int64),
            first_day=np.array([date_ordinal(it.first_date) for it in profiles], np.int32),
            last_day=np.array([date_ordinal(it.last_date) for it in profiles], np.int32),
            sessions=np.array([it.sessions for it in profiles], np.int32),
            slots=slots,
            liquidity=np.array([LIQUIDITY.index(it.liquidity) for it in profiles], np.int8),
            range_long=np.array([it.range_long for it in profiles], float),
            carried=np.array([it.carried for it in profiles], np.int32),
            levels=_read_levels(profiles, rules, priors),
            tail_rows=np.zeros((len(profiles), 3), np.int64),
            **columns,
            _records=dict(enumerate(profiles)),
        )


def prior_levels(prior: np.ndarray) -> np.ndarray:
    """Return the return levels of tails of which nothing is known, [tail, period]."""
    levels: np.ndarray = prior[:, None] * (PERIODS / PRIOR_PERIOD) ** PRIOR_SHAPE
    return levels


def _prior_of(priors: np.ndarray, timespan: str) -> np.ndarray:
    return np.repeat(priors[int(timespan == "day")], len(PARTS))


def _read_levels(profiles: Sequence[Profile], rules: Sequence[str], priors: np.ndarray) -> np.ndarray:
    levels = np.full((len(profiles), len(rules) * len(PARTS), len(PERIODS)), np.nan)
    for row, profile in zip(levels, profiles, strict=True):
        if profile.carried:
            row[:] = prior_levels(_prior_of(priors, profile.timespan))
        for tail in profile.tails:
            if tail.rule in rules:
                row[rules.index(tail.rule) * len(PARTS) + PARTS.index(tail.part)] = tail.levels
    return levels


ARRAYS = tuple(it.name for it in fields(ProfileColumns))[2:-2]
"""The names of the columns."""

"""The engine of live, backfill and replay: it makes measures, firings and a new state of bars.

It is pure: no clock, no I/O. Time comes from the records, so the same records give the same output, bit for bit, in
whatever batches they come.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise

import numpy as np
from numba import njit

from include.surveillance.alerts import severity as alerting
from include.surveillance.detection.arrivals import is_judged
from include.surveillance.detection.columns import COLUMNS, BarColumns, SeriesKey
from include.surveillance.detection.corporate_actions import CorporateActions
from include.surveillance.detection.episodes import assign_episodes
from include.surveillance.detection.findings import Evaluation, Firings
from include.surveillance.detection.holes import mark_reopenings
from include.surveillance.detection.parameters.book import ParameterBook
from include.surveillance.detection.parameters.in_force import ParametersInForce
from include.surveillance.detection.parameters.values import Parameters
from include.surveillance.detection.percentiles import EarlierValues
from include.surveillance.detection.positions import TradingCalendar
from include.surveillance.detection.profile_columns import ProfileColumns
from include.surveillance.detection.rules.bar_rule import FORMS, BarRule, Fired, RobustRule
from include.surveillance.detection.rules.registry import KINDS, PRIORS, TAILED, bar_rules
from include.surveillance.detection.scan import ProfileTable, Scan
from include.surveillance.detection.segments import Segments
from include.surveillance.detection.state import CONTEXT, REVISABLE, State
from include.surveillance.detection.succession import Succession
from include.surveillance.detection.tails import find_periods, tail_numbers
from include.surveillance.errors import ConfigurationError
from include.surveillance.records import Profile, Source
from include.surveillance.sessions import Sessions
from include.surveillance.timespans import SPAN_MS

Ints = np.ndarray
"""int64, one element per series or per bar."""


class Engine:
    """Runs the rules over bars, with parameters, the market's sessions, corporate actions and profiles.

    Args:
        book: parameters; ``book.base.alerting_form`` says which form raises alerts.
        profiles: what robust rules are held against; where a series has none in force, its literal rules alert.
        judges: the source of the bars that rules fire at; the others are only looked back on. None: all bars.

    Raises:
        ConfigurationError: a window is longer than what a state keeps to look back on.
    """

    def __init__(
        self,
        book: ParameterBook,
        sessions: Sessions,
        actions: CorporateActions = CorporateActions(),  # noqa: B008 - frozen
        profiles: Iterable[Profile] = (),
        judges: Source | None = None,
    ):
        if book.base.context > CONTEXT:
            raise ConfigurationError(
                f"a window needs {book.base.context} bars before the current one, and {CONTEXT} are kept; set window "
                f"to at most {CONTEXT}, of the robust price_breakout to at most {CONTEXT - 1}"
            )
        self.book, self.sessions, self.actions, self.judges = book, sessions, actions, judges
        self.calendar = TradingCalendar(sessions)
        self.succession = Succession(actions.tickers, self.calendar)
        if not isinstance(profiles, ProfileColumns):
            profiles = ProfileColumns.from_records(profiles, TAILED, PRIORS)
        self.profiles, keys, series = self.succession.sort_profiles(profiles)
        self.parameters = ParametersInForce(book, self.profiles, TAILED)
        self.rules = {form: bar_rules(book.base.in_form(form)) for form in FORMS}
        slots = max(self.calendar.slots(timespan).total for timespan in SPAN_MS)
        factors = self._share_factors([keys[number] for number in series.tolist()])
        self._table = ProfileTable.from_profiles(self.profiles, factors, slots)
        self._effective = self.profiles.effective_ms
        edges = np.searchsorted(series, np.arange(len(keys) + 1)).tolist()
        self._profiles_of = dict(zip(keys, pairwise(edges), strict=True))

    def evaluate(self, state: State, bars: BarColumns, rows: np.ndarray) -> Evaluation:
        """Advance ``state``, in place, by bars that all carry their series on.

        Args:
            bars: as ``succession.join`` gives them, each series' in order of time, all later than what the state
                holds of it.
            rows: ``state.rows_for(bars.keys)``. The scan has its series in the order of their rows.
        """
        order, first = _by_series(bars.code, len(bars.keys))
        present = np.flatnonzero(np.diff(first))
        present = present[np.argsort(rows[present], kind="stable")]
        return self._pass(state, rows[present], first[present], first[present + 1], bars, order)

    def score(self, bars: BarColumns) -> tuple[Scan, dict[str, np.ndarray]]:
        """Measure bars, from an empty state, and return what each robust rule holds against its threshold at each.

        Args:
            bars: as ``evaluate`` takes them.
        """
        state = State("sketch")
        order, first = _by_series(bars.code, len(bars.keys))
        scan = self._scan(state, state.rows_for(bars.keys), first[:-1], first[1:], bars, order)
        self._measure(scan)
        limits = {name: self.parameters.limits(rule, scan) for name, rule in self.rules["robust"].items()}
        robust = {name: rule for name, rule in self.rules["robust"].items() if isinstance(rule, RobustRule)}
        return scan, {name: rule.score(scan, limits[name]) for name, rule in robust.items()}

    def reconsider(self, state: State) -> Evaluation:
        """Evaluate once more what can still be revised; ``state`` is changed in place."""
        rows = np.arange(len(state.keys), dtype=np.int64)
        none = np.zeros(len(rows), np.int64)
        return self._pass(state, rows, none, none, BarColumns.from_records([]), none[:0])

    def in_force(self, key: SeriesKey, ts_ms: int) -> tuple[Parameters, Profile | None, int]:
        """Return what holds for a ticker's bars at a time, and its New York date in days from 1970-01-01."""
        first, last = self._profiles_of.get(self.succession.key(*key, ts_ms), (0, 0))
        in_force = int(self._effective[first:last].searchsorted(ts_ms, side="right")) if first < last else 0
        number, date = first + in_force - 1 if in_force else -1, self.calendar.locate(ts_ms).date
        return self.parameters.resolve(date, key[0], number), self.profiles[number] if in_force else None, date

    def _pass(self, state: State, row: Ints, first: Ints, last: Ints, new: BarColumns, order: Ints) -> Evaluation:
        scan = self._scan(state, row, first, last, new, order)
        self._measure(scan)
        judged = list(self._judge(scan))
        if self.judges is not None:
            own = is_judged(scan.bars.live, self.judges)
            judged = [(rule, fired.take(own[fired.index])) for rule, fired in judged]
        firings = self._collect(state, scan, judged)
        _keep_bars(state, scan)
        return Evaluation(scan, firings, self.profiles)

    def _measure(self, scan: Scan) -> None:
        for form in FORMS if self.profiles else FORMS[:1]:
            for rule in self.rules[form].values():
                rule.measure(scan)
        if self.profiles:
            mark_reopenings(scan, self.calendar, self.profiles)

    def _scan(self, state: State, row: Ints, first: Ints, last: Ints, new: BarColumns, order: Ints) -> Scan:
        """Line up what the state still holds of each series and, behind it, its new bars: ``order[first:last]``."""
        held, settled = state.bar_count[row], state.settled_count[row]
        end = np.cumsum(held + last - first)
        start = end - (held + last - first)
        old = start + settled
        segments = Segments(row, start, old, start + held, np.maximum(old, end - REVISABLE), end)
        columns = {}
        for name in COLUMNS:
            if name != "code":
                array = state.bars[name]
                columns[name] = np.empty(end[-1] if len(end) else 0, array.dtype)
                _gather(array, held, row, getattr(new, name), order, first, last, start, columns[name])
        keys = [state.keys[r] for r in row.tolist()]
        named, code = self.succession.name_bars(keys, columns["ts"], start, end)
        bars = BarColumns(named, code, **columns)
        positions = self.calendar.locate_bars(bars.ts, start, end, [timespan for _, timespan in keys])
        profile = np.full(len(bars), -1, np.int32)
        if self.profiles:
            ranges = np.array([self._profiles_of.get(key, (0, 0)) for key in keys], dtype=np.int64).reshape(-1, 2)
            _in_force(start, end, bars.ts, ranges[:, 0], ranges[:, 1], self._effective, profile)
        factor = self._share_factor(keys, start, end, positions.date)
        adjusted = {name: getattr(bars, name) for name in ("open", "high", "low", "close", "volume")}
        if factor is not None:
            adjusted = {name: one / factor if name == "volume" else one * factor for name, one in adjusted.items()}
        return Scan(
            bars=bars,
            segments=segments,
            positions=positions,
            **adjusted,
            share_factor=factor,
            profile=profile,
            profiles=self._table,
            memory=state.memory,
            history=EarlierValues(state.percentiles, state.bins, state.counts, state.values),
            actions=self.actions,
            span=np.array([SPAN_MS[timespan] for _, timespan in keys], dtype=np.int64),
            session_reset=self.book.base.session_reset,
        )

    def _share_factors(self, series: list[SeriesKey]) -> np.ndarray:
        """Return adjusted price / price on the day from which each profile holds."""
        factors = np.ones(len(series))
        for number, (holder, _) in enumerate(series) if self.actions.splits else ():
            if self.actions.has_splits(holder):
                date = self.calendar.locate(int(self.profiles.effective_ms[number])).date
                factors[number] = self.actions.share_factor(holder, np.array([date]))[0]
        return factors

    def _share_factor(self, keys: list[SeriesKey], start: Ints, end: Ints, date: Ints) -> np.ndarray | None:
        split = [(s, holder) for s, (holder, _) in enumerate(keys) if self.actions.has_splits(holder)]
        if not split:
            return None
        factor = np.ones(len(date))
        for s, holder in split:
            factor[start[s] : end[s]] = self.actions.share_factor(holder, date[start[s] : end[s]])
        return factor

    def _judge(self, scan: Scan) -> Iterator[tuple[BarRule, Fired]]:
        """Yield what fired: of each rule the robust form where it applies, if that form alerts, else the literal."""
        robust_alerts = bool(self.profiles) and self.book.base.alerting_form == "robust"
        for name, literal in self.rules["literal"].items():
            robust = self.rules["robust"].get(name) if robust_alerts else None
            falls_back = None if robust is None else ~robust.applies(scan)
            for fired in literal.judge(scan, self.parameters.limits(literal, scan)):
                yield literal, fired if falls_back is None else fired.take(falls_back[fired.index])
            if robust is not None:
                for fired in robust.judge(scan, self.parameters.limits(robust, scan)):
                    yield robust, fired

    def _rarity(self, scan: Scan, rule: BarRule, fired: Fired) -> np.ndarray:
        """Return once in how many sessions the series goes as far as each firing; NaN where that is not known."""
        if fired.statistic is None or not scan.profiles.levels.shape[1]:
            return np.full(len(fired.index), np.nan)
        tail = tail_numbers(TAILED.index(rule.name), scan.positions.regular[fired.index])
        return find_periods(scan.profiles.levels, scan.profile[fired.index], tail, fired.statistic)

    def _collect(self, state: State, scan: Scan, judged: list[tuple[BarRule, Fired]]) -> Firings:
        """Sort what fired by bar and kind, score it and assign it to episodes."""
        kinds = [KINDS.index((rule.name, fired.direction)) for rule, fired in judged]
        counts = [len(fired.index) for _, fired in judged]
        index = np.concatenate([fired.index for _, fired in judged])
        kind = np.repeat(np.array(kinds, np.int8), counts)
        form = np.repeat(np.array([FORMS.index(rule.form) for rule, _ in judged], np.int8), counts)
        order = np.argsort(index * len(KINDS) + kind, kind="stable")
        numbers = {
            name: np.concatenate([getattr(fired, name) for _, fired in judged])[order]
            for name in ("value", "threshold", "baseline", "exceedance")
        }
        index, kind, form = index[order], kind[order], form[order]
        rarity = np.concatenate([self._rarity(scan, rule, fired) for rule, fired in judged])[order]
        score = alerting.score_firings(numbers["exceedance"], rarity)
        severity = alerting.grade_scores(score)
        start, count, effect = assign_episodes(
            scan.segments, self.book.base.cooldown_bars * scan.span, index, kind, severity, scan.bars.ts, state.episodes
        )
        return Firings(
            index=index, kind=kind, form=form, **numbers, rarity=rarity, score=score, severity=severity,
            start=start, count=count, effect=effect,
        )  # fmt: skip


def _keep_bars(state: State, scan: Scan) -> None:
    """Keep the bars that can still be revised, and those that their windows look back on."""
    row, end = scan.segments.state_row, scan.segments.end
    start = np.maximum(scan.segments.start, scan.segments.revisable_from - CONTEXT)
    for name, array in state.bars.items():
        _keep(array, row, getattr(scan.bars, name), start, end)
    state.bar_count[row], state.settled_count[row] = end - start, scan.segments.revisable_from - start


@njit(cache=True)
def _by_series(code, count):
    """Return the order that brings each code's bars together, and where each code begins; bars keep their order."""
    first = np.zeros(count + 1, np.int64)
    for c in code:
        first[c + 1] += 1
    for c in range(count):
        first[c + 1] += first[c]
    order, at = np.empty(len(code), np.int64), first[:-1].copy()
    for i in range(len(code)):
        order[at[code[i]]] = i
        at[code[i]] += 1
    return order, first


@njit(cache=True)
def _gather(held_values, held, row, new, order, first, last, start, out):
    for s in range(len(row)):
        n = held[s]
        out[start[s] : start[s] + n] = held_values[row[s], :n]
        for k in range(first[s], last[s]):
            out[start[s] + n + k - first[s]] = new[order[k]]


@njit(cache=True)
def _keep(held_values, row, values, start, end):
    for s in range(len(row)):
        held_values[row[s], : end[s] - start[s]] = values[start[s] : end[s]]


@njit(cache=True)
def _in_force(start, end, ts, first, last, effective, profile):
    for s in range(len(start)):
        at = first[s] - 1
        for i in range(start[s], end[s]):
            while at + 1 < last[s] and effective[at + 1] <= ts[i]:
                at += 1
            profile[i] = at if at >= first[s] else -1

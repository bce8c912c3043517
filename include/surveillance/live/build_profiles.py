"""Builds the profiles of one partition from the log and publishes them for the detector to hold bars against."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from include.surveillance import broker
from include.surveillance.broker import Kafka
from include.surveillance.detection.columns import COLUMNS, BarColumns, SeriesKey
from include.surveillance.detection.profiles.build import HISTORY_MS
from include.surveillance.detection.profiles.schedule import continue_profiles
from include.surveillance.instruments import Tickers
from include.surveillance.live.background import read_background, read_instruments
from include.surveillance.live.intake import decode_messages
from include.surveillance.live.predecessors import read_symbols
from include.surveillance.records import Bar, Profile, Record
from include.surveillance.sessions import Sessions
from include.surveillance.timespans import DAY_MS, MINUTE_MS

KEPT_VERSIONS = 5
"""How many profiles of a series stay on the topic, the newest: detection reads all of them when it starts."""
LEAD_MS = 2 * MINUTE_MS
"""How far beyond the newest bar of the log a profile begins to hold: no such bar can have been judged before."""
LIMIT = 50_000  # messages per read


@dataclass(frozen=True)
class Built:
    """Counts what was built and published.

    Attributes:
        bars: how many bars of the log were looked at.
        series: how many series they belong to.
        profiles: how many profiles were built, one per series with enough sessions.
        dropped: how many older profiles were deleted.
        effective_ms: from when on the new profiles hold.
    """

    bars: int
    series: int
    profiles: int
    dropped: int
    effective_ms: int


def build_partition(kafka: Kafka, partition: int, *, sessions: Sessions, effective_ms: int) -> Built:
    """Build a profile of every series in a partition of the bars' topic and publish all of them at once.

    Run again for the same ``effective_ms`` it replaces what it published. Profiles beyond the newest
    ``KEPT_VERSIONS`` of a series are deleted.

    Args:
        effective_ms: from when on the profiles shall hold, UTC epoch ms. Where the log has bars of that time already,
            which detection may have judged, it is moved to ``LEAD_MS`` beyond the newest of them.

    Raises:
        BrokerError: Kafka refused, or another run builds the same partition; nothing was published.
    """
    actions, known = read_background(kafka)
    # A session that opens within the history began the day before, where its pre-market or its day bar did.
    bars = read_bars(kafka, partition, effective_ms - HISTORY_MS - DAY_MS, actions.tickers)
    if len(bars) and (newest_ms := int(bars.ts.max())) >= effective_ms:
        effective_ms = newest_ms + LEAD_MS
    classes = {instrument.symbol: instrument.type for instrument in read_instruments(kafka) if instrument.type}
    built = continue_profiles(known, bars, sessions, effective_ms=effective_ms, classes=classes, actions=actions)
    # An instrument that has moved to another partition has its profile from there.
    count = len(broker.partitions_of(kafka, broker.BARS))
    profiles = [it for it in built if broker.choose_partition(it.symbol, count) == partition]
    dropped = _superseded(known, profiles)
    with broker.transaction(kafka, f"baselines-{partition}", "baselines") as transaction:
        transaction.send_all(profiles)
        for profile in dropped:
            transaction.send_raw(broker.BASELINES, None, key=profile.event_id)
    return Built(len(bars), len(bars.keys), len(profiles), len(dropped), effective_ms)


class BarParts:
    """Gathers usable bars as columns, part by part, so that memory grows by some 80 bytes a bar. The first has none.

    Args:
        since_ms: bars that start before are left out, UTC epoch ms.
    """

    def __init__(self, since_ms: int = 0):
        self._since_ms = since_ms
        self._codes: dict[SeriesKey, int] = {}
        self._parts = [BarColumns.from_records([])]

    def add(self, records: Iterable[Record]) -> None:
        """Add the bars among records as the next part."""
        bars = [it for it in records if isinstance(it, Bar) and it.ts_ms >= self._since_ms]
        part, codes = BarColumns.from_records(bars), self._codes
        code = np.array([codes.setdefault(key, len(codes)) for key in part.keys], dtype=np.int32)[part.code]
        self._parts.append(BarColumns(part.keys, code, *(getattr(part, name) for name in COLUMNS[1:])))

    def add_others(self, kafka: Kafka, partition: int, tickers: Tickers) -> None:
        """Add, as the next part, the bars of the same instruments' other tickers, which other partitions have."""
        own = {symbol for symbol, _ in self._codes}
        others = {name for symbol in own if tickers.tenures(symbol) for name in tickers.related(symbol)} - own
        self.add(decode_messages(read_symbols(kafka, others, {partition: 0})).records if others else [])

    def join(self, which: Iterable[int] | None = None) -> BarColumns:
        """Return these parts, or all, as one, in their order; its keys are those of all parts."""
        parts = self._parts if which is None else [self._parts[number] for number in which]
        return BarColumns(list(self._codes), *(np.concatenate([getattr(it, name) for it in parts]) for name in COLUMNS))


def read_bars(kafka: Kafka, partition: int, since_ms: int, tickers: Tickers = Tickers()) -> BarColumns:  # noqa: B008 - never changed
    """Read a partition's usable bars that start at or after ``since_ms``, in the order of the log; behind them those
    of its instruments' other tickers.
    """
    parts = BarParts(since_ms)
    for batch in broker.read_all(kafka, {(broker.BARS, partition): None}, limit=LIMIT):
        parts.add(decode_messages(batch.messages).records)
    parts.add_others(kafka, partition, tickers)
    return parts.join()


def _superseded(known: list[Profile], built: list[Profile]) -> list[Profile]:
    """Select the profiles beyond the newest versions of each series that was built."""
    by_series = {(profile.symbol, profile.timespan): {profile.effective_ms: profile} for profile in built}
    for profile in known:
        if versions := by_series.get((profile.symbol, profile.timespan)):
            versions.setdefault(profile.effective_ms, profile)
    return [
        versions[effective_ms]
        for versions in by_series.values()
        for effective_ms in sorted(versions, reverse=True)[KEPT_VERSIONS:]
    ]

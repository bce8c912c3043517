"""Profiles of one partition, built from the log and published for the detector to hold bars against."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from include.surveillance import broker, wire
from include.surveillance.broker import Kafka, Position
from include.surveillance.detection.columns import COLUMNS, BarColumns, SeriesKey
from include.surveillance.detection.profiles import build
from include.surveillance.detection.profiles.schedule import HISTORY_MS
from include.surveillance.live import intake
from include.surveillance.live.background import read_background
from include.surveillance.records import Bar, Instrument, Profile
from include.surveillance.sessions import MINUTE_MS, Sessions

KEPT_VERSIONS = 5
"""Newest profiles of a series that stay on the topic: detection reads all of them at each batch."""
LEAD_MS = 2 * MINUTE_MS
"""How far beyond the newest bar of the log a profile begins to hold: no such bar can have been judged before."""
LIMIT = 50_000  # messages per read


@dataclass(frozen=True)
class Built:
    """What was published.

    Attributes:
        bars: of the log that were looked at.
        series: among them.
        profiles: built, one per series with enough sessions.
        dropped: older ones that were deleted.
        effective_ms: from when on the profiles hold.
    """

    bars: int
    series: int
    build: int
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
    bars = read_bars(kafka, partition, effective_ms - HISTORY_MS)
    if len(bars) and (newest_ms := int(bars.ts.max())) >= effective_ms:
        effective_ms = newest_ms + LEAD_MS
    actions, known = read_background(kafka)
    classes = {instrument.symbol: instrument.type for instrument in _instruments(kafka) if instrument.type}
    found = build.build(bars, sessions, effective_ms=effective_ms, classes=classes, splits=actions.splits)
    dropped = _superseded(known, found)
    with broker.transaction(kafka, f"baselines-{partition}", "baselines") as transaction:
        for profile in found:
            transaction.send(profile)
        for profile in dropped:
            transaction.send_raw(broker.BASELINES, None, key=profile.event_id)
    return Built(len(bars), len(bars.keys), len(found), len(dropped), effective_ms)


def read_bars(kafka: Kafka, partition: int, since_ms: int) -> BarColumns:
    """Usable bars of a partition that start at or after ``since_ms``, in the order of the log.

    Records become columns batch by batch, so that memory grows by some 80 bytes a bar.
    """
    codes: dict[SeriesKey, int] = {}
    parts = [BarColumns.of([])]
    for bars in _bars(kafka, partition):
        part = BarColumns.of([bar for bar in bars if bar.ts_ms >= since_ms])
        code = np.array([codes.setdefault(key, len(codes)) for key in part.keys], dtype=np.int32)[part.code]
        parts.append(BarColumns(part.keys, code, *(getattr(part, name) for name in COLUMNS[1:])))
    return BarColumns(list(codes), *(np.concatenate([getattr(part, name) for part in parts]) for name in COLUMNS))


def _bars(kafka: Kafka, partition: int) -> Iterator[list[Bar]]:
    positions: dict[Position, int | None] = {(broker.BARS, partition): None}
    while (batch := broker.read(kafka, positions, limit=LIMIT)).messages:
        yield [record for record in intake.decode(batch.messages).records if type(record) is Bar]
        positions = dict(batch.next_offsets)


def _instruments(kafka: Kafka) -> list[Instrument]:
    """The newest reference data of each symbol."""
    records = []
    for raw in broker.read_compacted(kafka, broker.REFERENCE).values():
        try:
            records.append(wire.decode(raw))
        except wire.WireError:
            continue  # a class is a refinement; landing tells of what is no record
    return [record for record in records if isinstance(record, Instrument)]


def _superseded(known: list[Profile], found: list[Profile]) -> list[Profile]:
    """Of the series in ``found``, what lies beyond the newest versions."""
    by_series: dict[SeriesKey, dict[int, Profile]] = {}
    for profile in found:
        by_series[profile.symbol, profile.timespan] = {profile.effective_ms: profile}
    for profile in known:
        versions = by_series.get((profile.symbol, profile.timespan))
        if versions is not None:
            versions.setdefault(profile.effective_ms, profile)
    return [
        versions[effective_ms]
        for versions in by_series.values()
        for effective_ms in sorted(versions, reverse=True)[KEPT_VERSIONS:]
    ]

"""Follows what is on the topic of baselines: corporate actions, profiles, and the parameters that were ever used."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TypeVar

from include.surveillance import broker, wire
from include.surveillance.broker import Bounds, Kafka, Position
from include.surveillance.detection.corporate_actions import CorporateActions
from include.surveillance.instruments import Tickers
from include.surveillance.places import Place
from include.surveillance.records import (
    Dividend,
    Instrument,
    ParametersVersion,
    Profile,
    Record,
    ScheduledEvent,
    Split,
    TickerChange,
)

R = TypeVar("R", bound=Record)


class Background:
    """Holds the newest record of each key.

    Args:
        bounds: says whether there is something new.
        keep: says of a symbol whether its profiles are kept, and with them those of its instruments' other tickers;
            those of a large market take seconds to decode.
    """

    def __init__(self, kafka: Kafka, bounds: Bounds, keep: Callable[[str], bool] = lambda symbol: True):
        self._kafka, self._bounds, self._keep = kafka, bounds, keep
        self._known: dict[str, Record] = {}
        self._related: set[str] = set()
        self._read({(broker.BASELINES, partition): None for partition in broker.partitions_of(kafka, broker.BASELINES)})

    def refresh(self) -> bool:
        """Read what has been published since; say whether there was anything."""
        if all(self._bounds(position)[1] == place.offset for position, place in self._places.items()):
            return False
        return self._read(self._places)

    def _read(self, positions: Mapping[Position, Place | None]) -> bool:
        newest: dict[str, bytes | None] = {}
        with broker.Reader(self._kafka, positions) as reader:
            for batch in reader.read_all():
                newest.update((message.key, message.value) for message in batch.messages if self._keeps(message.key))
            self._places = reader.places
        for key, raw in newest.items():
            self._known.pop(key, None)
            if raw is not None:
                self._known[key] = wire.decode(raw)
        if related := self._list_related() - self._related:
            # Their profiles have been passed over.
            self._related |= related
            self._read(dict.fromkeys(self._places))
        return bool(newest)

    @property
    def actions(self) -> CorporateActions:
        splits, dividends, changes = self._select(Split), self._select(Dividend), self._select(TickerChange)
        return CorporateActions(tuple(splits), tuple(dividends), tuple(changes), tuple(self._select(ScheduledEvent)))

    @property
    def profiles(self) -> list[Profile]:
        return self._select(Profile)

    @property
    def parameters(self) -> list[ParametersVersion]:
        return self._select(ParametersVersion)

    def _list_related(self) -> set[str]:
        """Name the other tickers of the instruments of which one is kept."""
        changes = self._select(TickerChange)
        tickers = Tickers(changes)
        groups = (tickers.related(change.new_symbol or change.symbol) for change in changes)
        return {symbol for group in groups if any(map(self._keep, group)) for symbol in group}

    def _select(self, kind: type[R]) -> list[R]:
        return [record for record in self._known.values() if isinstance(record, kind)]

    def _keeps(self, key: str) -> bool:
        kind, _, rest = key.partition("|")
        symbol = rest.partition("|")[0]
        return kind != "profile" or symbol in self._related or self._keep(symbol)


def read_actions(kafka: Kafka) -> CorporateActions:
    """Read the corporate actions known now."""
    with broker.Bounds(kafka) as bounds:
        return Background(kafka, bounds, lambda symbol: False).actions


def read_background(kafka: Kafka) -> tuple[CorporateActions, list[Profile]]:
    """Read the corporate actions and profiles known now."""
    with broker.Bounds(kafka) as bounds:
        background = Background(kafka, bounds)
        return background.actions, background.profiles


def read_instruments(kafka: Kafka) -> list[Instrument]:
    """Read the newest reference data of each symbol."""
    records = []
    for raw in broker.read_compacted(kafka, broker.REFERENCE).values():
        # It is a refinement; landing reports what is no record.
        with suppress(wire.WireError):
            records.append(wire.decode(raw))
    return [record for record in records if isinstance(record, Instrument)]

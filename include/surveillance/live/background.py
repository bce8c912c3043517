"""What detection knows of the past beyond its state: corporate actions and profiles, read once and then followed."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from include.surveillance import broker, wire
from include.surveillance.broker import Bounds, Kafka, Position
from include.surveillance.detection.corporate_actions import CorporateActions
from include.surveillance.records import Dividend, Profile, Record, Split, TickerChange


class Background:
    """The newest record of each key on the topic of baselines.

    Args:
        bounds: says whether there is something new.
        profiles_of: which symbols' profiles to keep; those of a large market take seconds to decode.
    """

    def __init__(self, kafka: Kafka, bounds: Bounds, profiles_of: Callable[[str], bool] = lambda symbol: True):
        self._kafka, self._bounds, self._profiles_of = kafka, bounds, profiles_of
        self._known: dict[str, Record] = {}
        self._read({(broker.BASELINES, partition): None for partition in broker.partitions_of(kafka, broker.BASELINES)})

    def refresh(self) -> bool:
        """Read what has been published since; whether there was anything."""
        if all(self._bounds(position)[1] <= offset for position, offset in self._offsets.items()):
            return False
        return self._read(self._offsets)

    def _read(self, positions: Mapping[Position, int | None]) -> bool:
        newest: dict[str, bytes | None] = {}
        with broker.Reader(self._kafka, positions) as reader:
            while messages := reader.read().messages:
                newest.update((message.key, message.value) for message in messages if self._wanted(message.key))
            self._offsets = reader.next_offsets
        for key, raw in newest.items():
            self._known.pop(key, None)
            if raw is not None:
                self._known[key] = wire.decode(raw)
        return bool(newest)

    @property
    def actions(self) -> CorporateActions:
        return CorporateActions(*(tuple(self._of(kind)) for kind in (Split, Dividend, TickerChange)))

    @property
    def profiles(self) -> list[Profile]:
        return self._of(Profile)

    def _of(self, kind: type[Record]) -> list:
        return [record for record in self._known.values() if type(record) is kind]

    def _wanted(self, key: str) -> bool:
        kind, _, rest = key.partition("|")
        return kind != "profile" or self._profiles_of(rest.partition("|")[0])


def read_background(kafka: Kafka) -> tuple[CorporateActions, list[Profile]]:
    """The corporate actions and profiles known now."""
    with broker.Bounds(kafka) as bounds:
        known = Background(kafka, bounds)
        return known.actions, known.profiles

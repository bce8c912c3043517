"""All that detection carries from one batch to the next, and its bytes."""

from __future__ import annotations

import zlib
from typing import Any

import msgspec
from msgspec import Struct, field

from ..errors import SurveillanceError
from .history import Form, History, load, new
from .series import Article, Series

FORMAT = 1


class StateError(SurveillanceError):
    """A snapshot cannot be read; rebuild it from the log."""


class State(Struct, kw_only=True):
    """Per (symbol, timespan) a series, per symbol its recent negative articles.

    Attributes:
        history: the form in which percentiles are kept, ``exact`` or ``sketch``.
        offsets: topic -> next offset to consume, of the partition that the state belongs to.
    """

    format: int = FORMAT
    history: Form = "sketch"
    offsets: dict[str, int] = field(default_factory=dict)
    series: dict[str, Series] = field(default_factory=dict)
    articles: dict[str, list[Article]] = field(default_factory=dict)

    def new_series(self) -> Series:
        return Series(history=new(self.history))

    def to_bytes(self) -> bytes:
        """Compressed MessagePack; equal states give equal bytes, and floats survive bit for bit."""
        return zlib.compress(_encoder.encode(self), level=6)

    @classmethod
    def from_bytes(cls, raw: bytes) -> State:
        """
        Raises:
            StateError: not a snapshot, or one of another format.
        """
        try:
            state = _decoder.decode(zlib.decompress(raw))
        except (zlib.error, msgspec.DecodeError) as error:
            raise StateError(f"unreadable detector snapshot of {len(raw):,} bytes: {error}") from error
        if state.format != FORMAT:
            raise StateError(f"detector snapshot has format {state.format}; this version reads {FORMAT}")
        return state


def series_key(symbol: str, timespan: str) -> str:
    return f"{symbol}|{timespan}"


def _dump(value: Any) -> Any:
    if isinstance(value, History):
        return value.dump()
    raise NotImplementedError(f"{type(value).__name__} is not part of the state")


def _load(kind: type, value: Any) -> Any:
    if kind is History:
        return load(value)
    raise NotImplementedError(f"{kind.__name__} is not part of the state")


_encoder = msgspec.msgpack.Encoder(enc_hook=_dump, order="deterministic")
_decoder = msgspec.msgpack.Decoder(State, dec_hook=_load)

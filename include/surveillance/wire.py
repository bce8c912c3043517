"""Encodes records as JSON with a ``kind`` tag, and validates what it decodes.

JSON keeps the log readable in any Kafka browser and lets the warehouse parse it; floats survive bit for bit.
"""

from __future__ import annotations

import msgspec

from include.surveillance.errors import SurveillanceError
from include.surveillance.records import AnyRecord, Record

_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[AnyRecord] = msgspec.json.Decoder(AnyRecord)


class WireError(SurveillanceError):
    """Bytes on a topic that are not one of our records."""


def encode(record: Record) -> bytes:
    return _encoder.encode(record)


def decode(raw: bytes | None) -> AnyRecord:
    """Decode one record.

    Raises:
        WireError: not JSON, unknown ``kind``, missing field or wrong type; the message names the path.
    """
    try:
        return _decoder.decode(raw or b"")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise WireError(f"not a surveillance record: {error}") from error

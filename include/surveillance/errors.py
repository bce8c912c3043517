"""Defines what can go wrong: one root exception with few children.

Every message says what happened, with which value, against which limit, and what to do next.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class SurveillanceError(Exception):
    """Root of every error that the platform raises on purpose."""


class ConfigurationError(SurveillanceError):
    """A setting, connection or parameter is missing or unusable. Retrying does not help."""


class VendorError(SurveillanceError):
    """Polygon refused a request for good: wrong key, no entitlement."""


class UnknownTickerError(VendorError):
    """Polygon knows nothing of the ticker that was asked for."""


class EndpointEndedError(VendorError):
    """Polygon has ended what was asked, or this key may not ask it."""


class UnavailableError(SurveillanceError):
    """Somebody outside does not answer as it should. Retrying may help.

    Attributes:
        retry_after: seconds to wait before the next attempt, or None when nobody has said.
    """

    def __init__(self, message: str, retry_after: float | None = None):
        super().__init__(message)
        self.retry_after = retry_after


class VendorUnavailableError(UnavailableError):
    """Polygon could not be reached, answered 5xx or sent an unusable body."""


class RateLimitedError(VendorUnavailableError):
    """Polygon answered 429, or all calls that the plan allows in a minute are used."""


class BrokerError(SurveillanceError):
    """Kafka did not accept or return a record."""


class LogBrokenError(BrokerError):
    """A stored place is not in its log any more: the topic was made anew, lost messages or got more partitions."""


class WarehouseError(SurveillanceError):
    """The warehouse refused rows or offsets; nothing of the batch was stored."""


class QualityError(SurveillanceError):
    """The platform does not keep its promise; the message says which stage and since when, or what is wrong."""


class ChannelError(UnavailableError):
    """A channel took no message: it is down, refuses its credentials or sends us elsewhere."""


class MessageRefusedError(ChannelError):
    """A channel is well and refused this very message, for its size or for what it says."""


class ActRefusedError(SurveillanceError):
    """What somebody asked for at the desk is not allowed as things stand. Nothing was changed."""


class ConflictError(ActRefusedError):
    """Somebody else was faster: what was to be changed is not as it was read.

    Attributes:
        kind: of what was to be changed: alert or case.
        current: what was to be changed, as it is now, by its id.
    """

    def __init__(self, message: str, kind: str, current: Mapping[str, Any]):
        super().__init__(message)
        self.kind, self.current = kind, current


class UnknownObjectError(ActRefusedError):
    """Nothing has the id that somebody named."""

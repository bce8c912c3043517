"""Tells people about the platform itself, by the outbox: a channel that is down delays the message, and loses none."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from include.orchestration import connections
from include.orchestration.application.outbox import add_operations
from include.orchestration.channels import open_channel
from include.orchestration.sender import open_sender, write_operations
from include.surveillance.errors import ConfigurationError
from include.surveillance.settings import Settings

LOG = logging.getLogger(__name__)


def tell_operators(cause: str, text: str, detail: dict[str, Any], occurrence: str | None = None) -> None:
    """Tell every channel about the platform itself, and send at once what can be sent at once.

    A channel is told of a cause at once, and again 15 minutes later at the earliest, in one message with how often it
    has occurred since. When the database cannot be reached either, each channel is told straight away, and a channel
    that takes nothing then is not told. Never raises: the failure that is told of must not be hidden by another.

    Args:
        cause: what messages have in common that are one and the same to a reader, e.g. ``dag land_raw``.
        text: what a person reads: a sentence, and maybe a line with a link.
        detail: what a machine reads beside it; JSON types only.
        occurrence: what tells one occurrence of the cause from another; told once only. Each call is one if omitted.
    """
    try:
        channels = Settings.from_env().channels()
    except ConfigurationError:
        LOG.exception("no channel is known, nobody is told: %s", text)
        return
    message = {"text": text, "detail": detail}
    try:
        with connections.application_database() as database, database.cursor() as cursor:
            add_operations(cursor, channels, cause, occurrence or uuid.uuid4().hex, message, datetime.now(UTC))
    except Exception:
        LOG.exception("could not queue, and tells each channel straight away: %s", text)
        _tell_straight_away(channels, text, detail)
        return
    for name in channels:
        try:
            with open_sender(name) as sender:
                sender.send_next(datetime.now(UTC), kinds=("operations",))
        except Exception:
            LOG.exception("could not send to channel %s yet: %s", name, text)


def _tell_straight_away(channels: Iterable[str], text: str, detail: dict[str, Any]) -> None:
    message = write_operations(uuid.uuid4().hex, text, detail)
    for name in channels:
        try:
            open_channel(name).send(message)
        except Exception:
            LOG.exception("could not send to channel %s: %s", name, text)

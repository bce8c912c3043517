"""Tells people by channels of the watchdog's own: each message once to each, and later when a channel is down.

What was told and what waits is in one file, so that a watchdog that starts anew tells nobody again.
"""

from __future__ import annotations

import hashlib
import logging
import smtplib
import ssl
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.message import EmailMessage
from typing import Any
from urllib.parse import unquote, urlsplit

import requests

from include.surveillance.channels import (
    MAIL_BYTES,
    SLACK_BYTES,
    TIMEOUT_SECONDS,
    WEBHOOK_BYTES,
    Message,
    Receiver,
    as_mail_error,
    encode_slack,
    post,
    post_webhook,
)
from include.surveillance.errors import ChannelError, MessageRefusedError
from include.surveillance.texts import one_line
from include.watchdog.causes import News
from include.watchdog.settings import LOOPBACK, WatchdogSettings

LOG = logging.getLogger(__name__)
FIRST_PAUSE, LONGEST_PAUSE = 5.0, 60.0
# Of a message that a channel refuses; then it is given up there, for the next one may be taken.
MOST_REFUSALS = 5
LONGEST_TEXT = 1_000


class Channel(ABC):
    """A way to people that needs no Airflow.

    Attributes:
        name: as errors have it.
        limit_bytes: of an encoded message that it is known to take.
    """

    name: str
    limit_bytes: int

    @abstractmethod
    def send(self, message: Message) -> None:
        """Send a message.

        Raises:
            MessageRefusedError: the channel refuses this message.
            ChannelError: the channel takes none, or it is not known whether it took this one.
        """


class Slack(Channel):
    """An incoming webhook of Slack."""

    name, limit_bytes = "slack", SLACK_BYTES

    def __init__(self, url: str):
        self._url, self._receiver = url, Receiver(self.name, "WATCHDOG_SLACK_URL")

    def send(self, message: Message) -> None:
        with requests.Session() as session:
            post(self._receiver, session, self._url, encode_slack(message), {})


class Webhook(Channel):
    """Any address that takes JSON."""

    name, limit_bytes = "webhook", WEBHOOK_BYTES

    def __init__(self, url: str, secret: str):
        self._url, self._secret = url, secret
        self._receiver = Receiver(self.name, "WATCHDOG_WEBHOOK_URL")

    def send(self, message: Message) -> None:
        with requests.Session() as session:
            post_webhook(self._receiver, session, self._url, message, self._secret)


class Mail(Channel):
    """A mail server; without TLS only on this machine."""

    name, limit_bytes = "mail", MAIL_BYTES

    def __init__(self, server: str, sender: str, to: Sequence[str]):
        self._server, self._from, self._to = urlsplit(server), sender, to
        self._receiver = Receiver(self.name, "WATCHDOG_MAIL_SERVER")

    def send(self, message: Message) -> None:
        mail = EmailMessage()
        mail["Subject"], mail["From"], mail["To"] = message.subject, self._from, ", ".join(self._to)
        mail["Message-ID"] = message.mail_id
        mail.set_content(message.text)
        with as_mail_error(self._receiver), self._connect() as server:
            if self._server.username:
                server.login(unquote(self._server.username), unquote(self._server.password or ""))
            server.send_message(mail)

    def _connect(self) -> smtplib.SMTP:
        host, port = self._server.hostname or "", self._server.port
        if self._server.scheme == "smtps":
            return smtplib.SMTP_SSL(host, port or 465, timeout=TIMEOUT_SECONDS, context=ssl.create_default_context())
        server = smtplib.SMTP(host, port or 587, timeout=TIMEOUT_SECONDS)
        if host not in LOOPBACK:
            server.starttls(context=ssl.create_default_context())
        return server


def open_channels(settings: WatchdogSettings) -> list[Channel]:
    """Return the channels that are set; none: the log is all that there is."""
    channels: list[Channel] = []
    if settings.watchdog_slack_url:
        channels.append(Slack(settings.watchdog_slack_url))
    if settings.watchdog_webhook_url:
        channels.append(Webhook(settings.watchdog_webhook_url, settings.watchdog_webhook_secret))
    if settings.watchdog_mail_server:
        channels.append(Mail(settings.watchdog_mail_server, settings.watchdog_mail_from, settings.watchdog_mail_to))
    return channels


def write_message(news: News) -> Message:
    """Write what people are told."""
    text, kind = one_line(news.text, LONGEST_TEXT), "watchdog"
    if news.event == "over":
        line = f"Over after {_duration(news.at - news.since)}. It was: {text}"
    else:
        line = f"{text} (since {datetime.fromtimestamp(news.since, UTC):%Y-%m-%d %H:%M:%S} UTC)"
    key = hashlib.sha256(f"{news.cause} {news.event} {news.since}".encode()).hexdigest()[:32]
    subject = f"Market surveillance: {news.cause} {'is well again' if news.event == 'over' else 'needs somebody'}"
    since = datetime.fromtimestamp(news.since, UTC).isoformat(timespec="seconds")
    detail = {"kind": "operations", "count": 1, "event": f"{kind}_{news.event}", "cause": news.cause, "since": since}
    return Message(key, subject, (line,), detail)


@dataclass
class Waiting:
    """A message that a channel has not taken yet."""

    message: dict[str, Any]
    refusals: int = 0


@dataclass
class Outbox:
    """What each channel has not taken yet, oldest first, and when it is tried again.

    Attributes:
        waiting: by channel.
        save: called after each change, before the next message is sent.
    """

    waiting: dict[str, list[Waiting]] = field(default_factory=dict)
    save: Callable[[], None] = lambda: None
    _failures: dict[str, int] = field(default_factory=dict)
    _due: dict[str, float] = field(default_factory=dict)

    def add(self, message: Message, channels: Sequence[Channel]) -> None:
        """Queue a message for each channel."""
        stored = {"key": message.key, "subject": message.subject, "lines": message.lines, "detail": message.detail}
        for channel in channels:
            self.waiting.setdefault(channel.name, []).append(Waiting(stored))

    def send(self, channels: Sequence[Channel], now: float) -> None:
        """Send to each channel what waits for it; one that takes nothing disturbs no other."""
        for channel in channels:
            queue = self.waiting.get(channel.name, [])
            while queue and self._due.get(channel.name, 0.0) <= now:
                self._send_first(channel, queue, now)

    @property
    def is_empty(self) -> bool:
        """Whether everybody has been told of everything."""
        return not any(self.waiting.values())

    def _send_first(self, channel: Channel, queue: list[Waiting], now: float) -> None:
        first = queue[0]
        message = Message(**{**first.message, "lines": tuple(first.message["lines"])})
        try:
            channel.send(message)
        except ChannelError as error:
            failures = self._failures[channel.name] = self._failures.get(channel.name, 0) + 1
            pause = max(min(FIRST_PAUSE * 2 ** min(failures - 1, 10), LONGEST_PAUSE), error.retry_after or 0.0)
            self._due[channel.name] = now + pause
            if failures == 1:
                LOG.warning("%s; what waits for channel %s is sent later", error, channel.name)
            if isinstance(error, MessageRefusedError):
                first.refusals += 1
                if first.refusals >= MOST_REFUSALS:
                    LOG.error("%s, %d times; not told there: %s", error, first.refusals, message.text)
                    queue.pop(0)
                self.save()
            return
        if self._failures.pop(channel.name, 0):
            LOG.warning("channel %s takes messages again", channel.name)
        self._due.pop(channel.name, None)
        queue.pop(0)
        self.save()


def _duration(seconds: float) -> str:
    minutes = round(seconds / 60)
    return f"{seconds:.0f} s" if seconds < 120 else f"{minutes} min" if minutes < 180 else f"{minutes / 60:.0f} h"

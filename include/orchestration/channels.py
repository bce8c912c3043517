"""The channels by which people are notified: the log, Slack, a webhook and e-mail.

A channel takes one message at a time, or raises: nothing is tried again here, nothing follows a redirect.
"""

from __future__ import annotations

import hashlib
import hmac
import html
import json
import logging
import smtplib
import time
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, ClassVar

from include.orchestration import connections
from include.surveillance.errors import ChannelError, ConfigurationError, MessageRefusedError

if TYPE_CHECKING:
    from requests import Session

LOG = logging.getLogger(__name__)
SLACK, WEBHOOK, EMAIL = "slack_alerts", "webhook_alerts", "email_alerts"
VERSION = 1
"""Of the webhook's body. A field may be added to a version, none is taken away or changes its meaning."""
TIMEOUT_SECONDS = 10.0
LONGEST_RETRY_AFTER = 3_600.0
# Refusals that no other message would have spared: of the login, the address, the method or the rate.
OF_THE_CHANNEL = {401, 403, 404, 405, 407, 408, 410, 421, 423, 425, 426, 429, 451}


@dataclass(frozen=True)
class Message:
    """What is sent at once.

    Attributes:
        key: the same whenever the same message is sent again, so that a receiver can tell.
        subject: short, and nobody else's text.
        lines: what a person reads: plain text, each on one line.
        detail: what a machine reads beside it; JSON types only.
    """

    key: str
    subject: str
    lines: tuple[str, ...]
    detail: dict[str, Any] = field(default_factory=dict)

    @property
    def text(self) -> str:
        return "\n".join(self.lines)


class Channel(ABC):
    """One way to people.

    Attributes:
        name: as ALERT_CHANNELS has it.
        conn_id: of its connection; None: it needs none.
        limit_bytes: of an encoded message that it is known to take.
    """

    name: ClassVar[str]
    conn_id: ClassVar[str | None]
    limit_bytes: ClassVar[int]

    @abstractmethod
    def encode(self, message: Message) -> bytes:
        """Encode what is sent."""

    @abstractmethod
    def post(self, message: Message) -> None:
        """Send it; see ``send``."""

    def send(self, message: Message) -> None:
        """Send a message.

        Raises:
            ConfigurationError: the channel's connection is not defined or unusable.
            MessageRefusedError: the channel refuses this message.
            ChannelError: the channel takes none, or it is not known whether it took this one.
        """
        self.check()
        self.post(message)

    def check(self) -> None:
        """Raise ConfigurationError unless the channel's connection is defined."""
        if self.conn_id and not connections.exists(self.conn_id):
            raise ConfigurationError(
                f"ALERT_CHANNELS names {self.name}, and connection {self.conn_id} is not defined; set "
                f"AIRFLOW_CONN_{self.conn_id.upper()}, add it in Airflow, or take {self.name} out of ALERT_CHANNELS"
            )


class Log(Channel):
    """The log of the task that sends."""

    name, conn_id, limit_bytes = "log", None, 100_000

    def encode(self, message: Message) -> bytes:
        return message.text.encode()

    def post(self, message: Message) -> None:
        LOG.warning("%s", message.text)


class Slack(Channel):
    """An incoming webhook of Slack, whose text is plain: no markup, no mention, no preview of a link."""

    # Slack asks for at most 4,000 characters, and cuts off what is beyond 40,000.
    name, conn_id, limit_bytes = "slack", SLACK, 4_000

    def encode(self, message: Message) -> bytes:
        text = html.escape(message.text, quote=False)
        return json.dumps({"text": text, "mrkdwn": False, "unfurl_links": False, "unfurl_media": False}).encode()

    def post(self, message: Message) -> None:
        import requests
        from airflow.providers.slack.hooks.slack_webhook import SlackWebhookHook

        client = SlackWebhookHook(slack_webhook_conn_id=SLACK).client
        with requests.Session() as session:
            session.proxies = {"http": client.proxy, "https": client.proxy} if client.proxy else {}
            _post(self, session, client.url, self.encode(message), {})


class Webhook(Channel):
    """Any address that takes JSON. With ``signing_secret`` in the connection's extra, bodies are signed.

    Headers: ``X-Surveillance-Delivery`` is the same when a message is sent again. ``X-Surveillance-Timestamp`` is when
    it was sent, epoch seconds. ``X-Surveillance-Signature`` is ``sha256=`` and the hexadecimal HMAC-SHA256, by the
    secret, of timestamp, full stop and body.
    """

    # The smallest limit that is known of such receivers is 28 kB.
    name, conn_id, limit_bytes = "webhook", WEBHOOK, 24_000

    def encode(self, message: Message) -> bytes:
        return json.dumps({"version": VERSION, "text": message.text, **message.detail}).encode()

    def post(self, message: Message) -> None:
        from airflow.providers.http.hooks.http import HttpHook

        hook, body, timestamp = HttpHook(method="POST", http_conn_id=WEBHOOK), self.encode(message), int(time.time())
        headers = {"X-Surveillance-Delivery": message.key, "X-Surveillance-Timestamp": str(timestamp)}
        with hook.get_conn() as session:
            # The hook makes headers of what the extra holds.
            if secret := session.headers.pop("signing_secret", None):
                headers["X-Surveillance-Signature"] = f"sha256={sign(str(secret), timestamp, body)}"
            _post(self, session, hook.url_from_endpoint(None), body, headers)


class Email(Channel):
    """Mail to the addresses ``to`` in the connection's extra: text, as HTML because the hook sends nothing else."""

    name, conn_id, limit_bytes = "email", EMAIL, 100_000

    def encode(self, message: Message) -> bytes:
        return "<br>\n".join(html.escape(line) for line in message.lines).encode()

    def post(self, message: Message) -> None:
        from airflow.providers.smtp.hooks.smtp import SmtpHook
        from airflow.sdk import Connection

        class Once(SmtpHook):
            """Tries once: the sender knows when to try again."""

            smtp_retry_limit = 0
            timeout = round(TIMEOUT_SECONDS)

        extra = Connection.get(EMAIL).extra_dejson
        if not extra.get("to") or not extra.get("from_email"):
            raise ConfigurationError(f"connection {EMAIL} has no to or no from_email in its extra; add the addresses")
        try:
            with Once(smtp_conn_id=EMAIL) as smtp:
                smtp.send_email_smtp(
                    to=extra["to"],
                    subject=message.subject,
                    html_content=self.encode(message).decode(),
                    custom_headers={"Message-ID": f"<{message.key}@market-surveillance>"},
                )
        except smtplib.SMTPDataError as error:
            refused = MessageRefusedError if error.smtp_code >= 500 else ChannelError
            raise refused(f"channel {self.name} answered {error.smtp_code}") from None
        except Exception as error:  # noqa: BLE001 - its text may hold a login
            code = getattr(error, "smtp_code", None)
            what = f"answered {code}" if code else f"is not reachable: {type(error).__name__}"
            raise ChannelError(f"channel {self.name} {what}; look at connection {EMAIL}") from None


CLASSES: tuple[type[Channel], ...] = (Log, Slack, Webhook, Email)


def open_channel(name: str) -> Channel:
    """Return the channel that ALERT_CHANNELS calls so."""
    return next(channel() for channel in CLASSES if channel.name == name)


def find_unnamed(names: list[str]) -> list[str]:
    """List the connections of channels that are defined though none of these names asks for them."""
    others = [channel.conn_id for channel in CLASSES if channel.name not in names and channel.conn_id]
    return [conn_id for conn_id in others if connections.exists(conn_id)]


def sign(secret: str, timestamp: int, body: bytes) -> str:
    """Return the signature of a webhook's body, in hexadecimal digits."""
    return hmac.new(secret.encode(), f"{timestamp}.".encode() + body, hashlib.sha256).hexdigest()


def _post(channel: Channel, session: Session, url: str, body: bytes, headers: dict[str, str]) -> None:
    try:
        # The body of the answer is of no interest, and may have no end.
        with session.post(
            url,
            data=body,
            headers={"Content-Type": "application/json", **headers},
            timeout=TIMEOUT_SECONDS,
            allow_redirects=False,
            stream=True,
        ) as answer:
            status, retry_after = answer.status_code, answer.headers.get("Retry-After", "")
    except (OSError, ValueError) as error:  # the library's own are children of these
        # Without its text, which has the address: Slack's is its secret.
        raise ChannelError(f"channel {channel.name} is not reachable: {type(error).__name__}") from None
    if 200 <= status < 300:
        return
    where = f"look at connection {channel.conn_id}"
    if 300 <= status < 400:
        raise ChannelError(f"channel {channel.name} answered {status}; redirects are not followed, {where}")
    if 400 <= status < 500 and status not in OF_THE_CHANNEL:
        raise MessageRefusedError(f"channel {channel.name} answered {status} to {len(body):,} bytes")
    raise ChannelError(f"channel {channel.name} answered {status}; {where}", read_retry_after(retry_after))


def read_retry_after(text: str) -> float | None:
    """Read the seconds to wait, given as a number or as a date; None: it is neither. An hour at most."""
    text = text.strip()
    if text.isascii() and text.isdecimal():
        return min(float(text[:12]), LONGEST_RETRY_AFTER)
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    seconds = (moment.replace(tzinfo=moment.tzinfo or UTC) - datetime.now(UTC)).total_seconds()
    return min(max(0.0, seconds), LONGEST_RETRY_AFTER)

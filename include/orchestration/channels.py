"""The channels by which people are notified: the log, Slack, a webhook and e-mail.

A channel takes one message at a time, or raises: nothing is tried again here, nothing follows a redirect.
"""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from functools import cached_property
from typing import ClassVar

from include.orchestration import connections
from include.surveillance.channels import (
    MAIL_BYTES,
    SLACK_BLOCKS_BYTES,
    TIMEOUT_SECONDS,
    WEBHOOK_BYTES,
    Message,
    Receiver,
    as_mail_error,
    encode_mail,
    encode_slack,
    encode_webhook,
    post,
    post_webhook,
)
from include.surveillance.errors import ConfigurationError

LOG = logging.getLogger(__name__)
SLACK, WEBHOOK, EMAIL = "slack_alerts", "webhook_alerts", "email_alerts"


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

    @property
    def receiver(self) -> Receiver:
        """Return whom errors speak of."""
        return Receiver(self.name, f"connection {self.conn_id}")

    def check(self) -> None:
        """Raise ConfigurationError unless the channel's connection is defined."""
        if self.conn_id and not connections.exists(self.conn_id):
            raise ConfigurationError(
                f"ALERT_CHANNELS names {self.name}, and connection {self.conn_id} is not defined; set "
                f"AIRFLOW_CONN_{self.conn_id.upper()}, add it in Airflow, or take {self.name} out of ALERT_CHANNELS"
            )


class Log(Channel):
    """The log of the task that sends."""

    name, conn_id, limit_bytes = "log", None, MAIL_BYTES

    def encode(self, message: Message) -> bytes:
        return message.text.encode()

    def post(self, message: Message) -> None:
        LOG.warning("%s", message.text)


class Slack(Channel):
    """An incoming webhook of Slack. With ``buttons`` in the connection's extra, people act on alerts there."""

    name, conn_id, limit_bytes = "slack", SLACK, SLACK_BLOCKS_BYTES

    def encode(self, message: Message) -> bytes:
        return encode_slack(message, acts=self._has_buttons)

    @cached_property
    def _has_buttons(self) -> bool:
        from airflow.sdk import Connection

        return connections.exists(SLACK) and Connection.get(SLACK).extra_dejson.get("buttons") is True

    def post(self, message: Message) -> None:
        import requests
        from airflow.providers.slack.hooks.slack_webhook import SlackWebhookHook

        client = SlackWebhookHook(slack_webhook_conn_id=SLACK).client
        with requests.Session() as session:
            session.proxies = {"http": client.proxy, "https": client.proxy} if client.proxy else {}
            post(self.receiver, session, client.url, self.encode(message), {})


class Webhook(Channel):
    """Any address that takes JSON. With ``signing_secret`` in the connection's extra, bodies are signed."""

    name, conn_id, limit_bytes = "webhook", WEBHOOK, WEBHOOK_BYTES

    def encode(self, message: Message) -> bytes:
        return encode_webhook(message)

    def post(self, message: Message) -> None:
        from airflow.providers.http.hooks.http import HttpHook

        hook = HttpHook(method="POST", http_conn_id=WEBHOOK)
        with hook.get_conn() as session:
            # The hook makes headers of what the extra holds.
            secret = session.headers.pop("signing_secret", None)
            post_webhook(self.receiver, session, hook.url_from_endpoint(None), message, secret and str(secret))


class Email(Channel):
    """Mail to the addresses ``to`` in the connection's extra: text, as HTML because the hook sends nothing else."""

    name, conn_id, limit_bytes = "email", EMAIL, MAIL_BYTES

    def encode(self, message: Message) -> bytes:
        return encode_mail(message)

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
        with as_mail_error(self.receiver), Once(smtp_conn_id=EMAIL) as smtp:
            smtp.send_email_smtp(
                to=extra["to"],
                subject=message.subject,
                html_content=self.encode(message).decode(),
                custom_headers={"Message-ID": message.mail_id},
            )


CLASSES: tuple[type[Channel], ...] = (Log, Slack, Webhook, Email)


def open_channel(name: str) -> Channel:
    """Return the channel that ALERT_CHANNELS calls so."""
    return next(channel() for channel in CLASSES if channel.name == name)


def find_unnamed(names: list[str]) -> list[str]:
    """List the connections of channels that are defined though none of these names asks for them."""
    others = [channel.conn_id for channel in CLASSES if channel.name not in names and channel.conn_id]
    return [conn_id for conn_id in others if connections.exists(conn_id)]

"""Messages to people as each kind of channel takes them, and how they are sent; knows no connection and no setting.

Nothing is tried again here, nothing follows a redirect, and no error holds an address: Slack's is its secret.
"""

from __future__ import annotations

import hashlib
import hmac
import html
import json
import smtplib
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from include.surveillance.errors import ChannelError, MessageRefusedError

if TYPE_CHECKING:
    from requests import Session

VERSION = 1
"""Of the webhook's body. A field may be added to a version, none is taken away or changes its meaning."""
TIMEOUT_SECONDS = 10.0
LONGEST_RETRY_AFTER = 3_600.0
# What each takes at once. Slack asks for at most 4,000 characters, and cuts off what is beyond 40,000; the smallest
# limit that is known of receivers of JSON is 28 kB.
SLACK_BYTES, WEBHOOK_BYTES, MAIL_BYTES = 4_000, 24_000, 100_000
# With buttons, which say all of the text once more.
SLACK_BLOCKS_BYTES = 12_000
# Of Slack: of a message, of a button's address and of what it sends back. It refuses a message with more.
MOST_BLOCKS, LONGEST_ADDRESS, LONGEST_VALUE = 50, 3_000, 2_000
# Refusals that no other message would have spared: of the login, the address, the method or the rate.
OF_THE_CHANNEL = {401, 403, 404, 405, 407, 408, 410, 421, 423, 425, 426, 429, 451}


@dataclass(frozen=True)
class AlertLine:
    """A line of a message that is about an alert.

    Attributes:
        link: the alert's page.
        alert_id: of what may be acted on; empty where it is over.
    """

    text: str
    link: str
    alert_id: str = ""


@dataclass(frozen=True)
class Message:
    """What is sent at once.

    Attributes:
        key: the same whenever the same message is sent again, so that a receiver can tell.
        subject: short, and nobody else's text.
        lines: what a person reads: plain text, each on one line.
        detail: what a machine reads beside it; JSON types only.
        alerts: the lines that are about alerts, which come first.
    """

    key: str
    subject: str
    lines: tuple[str, ...]
    detail: dict[str, Any] = field(default_factory=dict)
    alerts: tuple[AlertLine, ...] = ()

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    @property
    def mail_id(self) -> str:
        """Return what a mail has as its Message-ID."""
        return f"<{self.key}@market-surveillance>"


@dataclass(frozen=True)
class Receiver:
    """Whom errors speak of.

    Attributes:
        name: of the channel.
        place: where its address and login are set, e.g. ``connection slack_alerts``.
    """

    name: str
    place: str


def encode_slack(message: Message, *, acts: bool = False) -> bytes:
    """Encode for an incoming webhook of Slack: plain text, no markup, no mention, no preview of a link.

    Args:
        acts: each alert has buttons that take it and that silence its like for an hour, beside the one that opens it.
    """
    text = html.escape(message.text, quote=False)
    body = {"text": text, "mrkdwn": False, "unfurl_links": False, "unfurl_media": False}
    blocks = [block for line in message.alerts for block in _write_blocks(line, acts=acts)]
    return json.dumps(body | ({"blocks": blocks} if 0 < len(blocks) <= MOST_BLOCKS else {})).encode()


def _write_blocks(line: AlertLine, *, acts: bool) -> Iterator[dict[str, Any]]:
    section: dict[str, Any] = {"type": "section", "text": {"type": "plain_text", "text": line.text, "emoji": False}}
    if len(line.link) <= LONGEST_ADDRESS:
        section["accessory"] = _write_button("open", "Open", url=line.link)
    yield section
    if acts and 0 < len(line.alert_id) <= LONGEST_VALUE:
        buttons = [("take", "Take"), ("silence", "Silence 1 h")]
        yield {"type": "actions", "elements": [_write_button(*it, value=line.alert_id) for it in buttons]}


def _write_button(action: str, label: str, **more: str) -> dict[str, Any]:
    return {"type": "button", "action_id": action, "text": {"type": "plain_text", "text": label}, **more}


def encode_webhook(message: Message) -> bytes:
    """Encode for any address that takes JSON."""
    return json.dumps({"version": VERSION, "text": message.text, **message.detail}).encode()


def encode_mail(message: Message) -> bytes:
    """Encode for a mail as HTML."""
    links = [f' <a href="{html.escape(line.link)}">open</a>' for line in message.alerts]
    lines = zip_longest(message.lines, links, fillvalue="")
    return "<br>\n".join(html.escape(line) + link for line, link in lines).encode()


def post_webhook(receiver: Receiver, session: Session, url: str, message: Message, secret: str | None) -> None:
    """Post a message, signed when there is a secret.

    Headers: ``X-Surveillance-Delivery`` is the same when a message is sent again. ``X-Surveillance-Timestamp`` is when
    it was sent, epoch seconds. ``X-Surveillance-Signature`` is ``sha256=`` and the hexadecimal HMAC-SHA256, by the
    secret, of timestamp, full stop and body.

    Raises:
        MessageRefusedError: the receiver refuses this message.
        ChannelError: the receiver takes none, or it is not known whether it took this one.
    """
    body, timestamp = encode_webhook(message), int(time.time())
    headers = {"X-Surveillance-Delivery": message.key, "X-Surveillance-Timestamp": str(timestamp)}
    if secret:
        headers["X-Surveillance-Signature"] = f"sha256={sign(secret, timestamp, body)}"
    post(receiver, session, url, body, headers)


def sign(secret: str, timestamp: int, body: bytes) -> str:
    """Return the signature of a webhook's body, in hexadecimal digits."""
    return hmac.new(secret.encode(), f"{timestamp}.".encode() + body, hashlib.sha256).hexdigest()


def post(receiver: Receiver, session: Session, url: str, body: bytes, headers: dict[str, str]) -> None:
    """Post JSON; errors as of ``post_webhook``."""
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
        # Without its text, which has the address.
        raise ChannelError(f"channel {receiver.name} is not reachable: {type(error).__name__}") from None
    if 200 <= status < 300:
        return
    where = f"look at {receiver.place}"
    if 300 <= status < 400:
        raise ChannelError(f"channel {receiver.name} answered {status}; redirects are not followed, {where}")
    if 400 <= status < 500 and status not in OF_THE_CHANNEL:
        raise MessageRefusedError(f"channel {receiver.name} answered {status} to {len(body):,} bytes")
    raise ChannelError(f"channel {receiver.name} answered {status}; {where}", read_retry_after(retry_after))


@contextmanager
def as_mail_error(receiver: Receiver) -> Iterator[None]:
    """Make of what goes wrong with a mail the errors of ``post_webhook``; the text of the server's may hold a login."""
    try:
        yield
    except smtplib.SMTPDataError as error:
        refused = MessageRefusedError if error.smtp_code >= 500 else ChannelError
        raise refused(f"channel {receiver.name} answered {error.smtp_code}") from None
    except Exception as error:  # noqa: BLE001 - the mail is sent again, whatever it is
        code = getattr(error, "smtp_code", None)
        what = f"answered {code}" if code else f"is not reachable: {type(error).__name__}"
        raise ChannelError(f"channel {receiver.name} {what}; look at {receiver.place}") from None


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

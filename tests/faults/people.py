"""Who is notified: servers in place of Slack, a webhook and a mail server, and what they took."""

from __future__ import annotations

import json
import re
import threading
import uuid
from collections import Counter, defaultdict
from contextlib import closing
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import psycopg2

from include.local_stack.clients import database_arguments
from include.surveillance.alerts.notification import OVER
from tests.faults.differences import Differences
from tests.sinks import Answer, HttpSink, SmtpSink

if TYPE_CHECKING:
    from tests.faults.stage import Stage

CHANNELS = ("slack", "webhook", "email")
MESSAGES = 5
ADD = """
    insert into outbox (channel, kind, subject, version, severity, known_at, message)
    values (%s, 'operations', %s, '1', 'critical', now(), %s)
"""
TOKEN = re.compile(r"message [0-9a-f]{32}")


class People:
    """The three channels of the platform under test."""

    def __init__(self) -> None:
        self.slack, self.webhook, self.mail = HttpSink(), HttpSink(), SmtpSink()
        for server in (self.slack, self.webhook, self.mail):
            # As long as the harness.
            threading.Thread(target=server.serve_forever, daemon=True).start()

    def settings(self) -> dict[str, str]:
        """Return the variables by which the platform knows the channels."""
        extra = {"disable_ssl": True, "disable_tls": True, "from_email": "us@example.com", "to": ["desk@example.com"]}
        connections = {
            "SLACK": {"conn_type": "slackwebhook", "host": self.slack.url, "password": "T/B/X"},
            "WEBHOOK": {"conn_type": "http", "host": self.webhook.url},
            "EMAIL": {"conn_type": "smtp", "host": "127.0.0.1", "port": self.mail.port, "extra": extra},
        }
        named = {f"AIRFLOW_CONN_{name}_ALERTS": json.dumps(value) for name, value in connections.items()}
        return {"ALERT_CHANNELS": ",".join(CHANNELS), "ALERT_STORM": "100000", **named}

    def fail(self, channel: str, answer: Answer | None) -> None:
        """Let a channel answer so, or take everything again."""
        if channel == "email":
            self.mail.reply = "451 later" if answer else "250 taken"
        else:
            sink = self.slack if channel == "slack" else self.webhook
            sink.answer = lambda _: answer or Answer()

    def texts(self, channel: str) -> list[str]:
        """Return the text of every message that the channel took."""
        if channel == "email":
            return [part.get_content() for mail in self.mail.taken for part in mail.walk() if not part.is_multipart()]
        return [request.json["text"] for request in (self.slack if channel == "slack" else self.webhook).taken]

    def queue(self, stage: Stage, count: int = MESSAGES) -> set[str]:
        """Queue messages of operations for every channel; return their texts."""
        texts = {f"message {uuid.uuid4().hex}" for _ in range(count)}
        login = database_arguments(stage.environment, "SURVEILLANCE_DB")
        with closing(psycopg2.connect(**login)) as database, database, database.cursor() as cursor:
            for text in sorted(texts):
                message = json.dumps({"text": text, "detail": {}})
                for channel in CHANNELS:
                    cursor.execute(ADD, [channel, text, message])
        return texts

    def told(self) -> dict[str, list[tuple[str, bool]]]:
        """Return what the webhook took of each alert, by id: severity, and whether it was withdrawn or has ended."""
        told = defaultdict(list)
        for it in self._alerts():
            told[it["event_id"]].append((it["severity"], it["status"] in OVER))
        return dict(told)

    def _alerts(self) -> list[dict[str, Any]]:
        return [it for request in self.webhook.taken for it in request.json.get("alerts", [])]

    def waiting(self, stage: Stage) -> str | None:
        """Name the channels for which something waits; None: there is none."""
        # What is held on purpose, such as a cause that was told of just now, does not wait.
        query = "select distinct channel from outbox where sent_at is null and coalesce(due_at, now()) <= now()"
        rows = sorted(stage.database(query))
        return f"messages wait for {', '.join(channel for (channel,) in rows)}" if rows else None

    def compare(self, stage: Stage, differences: Differences) -> None:
        """Every message of operations at every channel once, and every version of an alert at the webhook."""
        due = [text for (text,) in stage.database("select distinct subject from outbox where subject ~ '^message '")]
        for channel in CHANNELS:
            told = Counter(token for text in self.texts(channel) for token in TOKEN.findall(text))
            differences.lost |= {f"{text} to {channel}" for text in due if text not in told}
            differences.doubled |= {f"{text} to {channel}" for text, count in told.items() if count > 1}
        query = "select subject, version from outbox where kind = 'alert' and channel = 'webhook' and outcome = 'told'"
        alerts = Counter((it["event_id"], it["version"]) for it in self._alerts())
        differences.lost |= {f"alert {it} to webhook" for it in stage.database(query) if it not in alerts}
        differences.doubled |= {f"alert {it} to webhook" for it, count in alerts.items() if count > 1}
        differences.doubled |= {
            f"alert {it} to webhook, {severity} again"
            for it, states in self.told().items()
            for (severity, withdrawn), following in pairwise(states)
            if (severity, withdrawn) == following
        }

"""The channels by which people are notified: Slack and a webhook when their connections exist, the log otherwise."""

from __future__ import annotations

import logging
from typing import Any

from include.orchestration import connections

LOG = logging.getLogger(__name__)
SLACK, WEBHOOK = "slack_alerts", "webhook_alerts"


def send_message(text: str, detail: dict[str, Any]) -> str:
    """Send to every configured channel and return which took it, e.g. ``slack, webhook`` or ``log``.

    Args:
        text: what a person reads.
        detail: what a machine behind the webhook reads beside it; JSON types only.

    Raises:
        Exception: a configured channel refused; nothing hides it, so that the caller's retry sends again.
    """
    sent = []
    if connections.exists(SLACK):
        from airflow.providers.slack.hooks.slack_webhook import SlackWebhookHook

        SlackWebhookHook(slack_webhook_conn_id=SLACK).send(text=text)
        sent.append("slack")
    if connections.exists(WEBHOOK):
        from airflow.providers.http.hooks.http import HttpHook

        HttpHook(method="POST", http_conn_id=WEBHOOK).run(json={"text": text, **detail}, extra_options={"timeout": 10})
        sent.append("webhook")
    if not sent:
        LOG.warning("%s (set connection %s or %s to be notified elsewhere)", text, SLACK, WEBHOOK)
    return ", ".join(sent) or "log"

"""Channels against real servers: what is taken, what is refused, what nobody can know; and no text is markup."""

import json
import logging
import time

import pytest

from include.orchestration import channels
from include.orchestration.channels import Email, Log, Slack, Webhook, open_channel
from include.surveillance.channels import AlertLine, Message, sign
from include.surveillance.errors import ChannelError, ConfigurationError, MessageRefusedError
from tests.sinks import Answer

MESSAGE = Message("k1", "1 alert now: 1 high", ("[high] ACME rose", "http://airflow/surveillance/"), {"kind": "alerts"})
SECRET = "a secret of the webhook"


def test_the_webhook_gets_a_body_of_a_version_with_the_connections_headers(webhook):
    Webhook().send(MESSAGE)
    (request,) = webhook.taken
    assert (request.method, request.path) == ("POST", "/hook")
    assert request.json == {"version": 1, "text": MESSAGE.text, "kind": "alerts"}
    assert request.headers["Authorization"] == "Bearer of-mine"
    assert request.headers["X-Surveillance-Delivery"] == "k1"
    assert "X-Surveillance-Signature" not in request.headers


def test_a_signature_is_over_time_and_body_and_the_secret_stays_here(sink, monkeypatch):
    connection = {"conn_type": "http", "host": sink.url, "extra": {"signing_secret": SECRET}}
    monkeypatch.setenv("AIRFLOW_CONN_WEBHOOK_ALERTS", json.dumps(connection))
    Webhook().send(MESSAGE)
    (request,) = sink.taken
    timestamp = int(request.headers["X-Surveillance-Timestamp"])
    assert abs(time.time() - timestamp) < 60
    assert request.headers["X-Surveillance-Signature"] == f"sha256={sign(SECRET, timestamp, request.body)}"
    assert SECRET not in f"{request.headers}{request.body}"
    assert sign(SECRET, timestamp, request.body) != sign(SECRET, timestamp + 1, request.body)


def test_slack_gets_plain_text(slack):
    Slack().send(Message("k", "s", ("[high] A & B <!channel> <http://evil|portal> *bold*",)))
    (request,) = slack.taken
    assert request.path == "/T0/B0/X"
    assert request.json["text"] == "[high] A &amp; B &lt;!channel&gt; &lt;http://evil|portal&gt; *bold*"
    assert request.json["mrkdwn"] is False
    assert request.json["unfurl_links"] is False


LINE = AlertLine("[high] A & B <!channel>", "http://airflow/plugin/surveillance?screen=alert&id=a%7C1", "a|1")


def test_slack_gets_each_alert_with_a_button_that_opens_it(slack):
    Slack().send(Message("k", "s", (LINE.text, "http://airflow/"), alerts=(LINE,)))
    (section,) = slack.taken[0].json["blocks"]
    assert section["text"] == {"type": "plain_text", "text": LINE.text, "emoji": False}
    assert (section["accessory"]["action_id"], section["accessory"]["url"]) == ("open", LINE.link)


def test_slack_gets_buttons_that_act_where_the_connection_asks_for_them(slack, monkeypatch):
    connection = {"conn_type": "slackwebhook", "host": slack.url, "password": "T0/B0/X", "extra": {"buttons": True}}
    monkeypatch.setenv("AIRFLOW_CONN_SLACK_ALERTS", json.dumps(connection))
    over = AlertLine("withdrawn: C", LINE.link)
    Slack().send(Message("k", "s", (LINE.text, over.text), alerts=(LINE, over)))
    blocks = slack.taken[0].json["blocks"]
    assert [block["type"] for block in blocks] == ["section", "actions", "section"]
    assert [(it["action_id"], it["value"]) for it in blocks[1]["elements"]] == [("take", "a|1"), ("silence", "a|1")]


def test_slack_gets_text_alone_where_it_would_refuse_the_buttons(slack):
    long = AlertLine("[low] L", f"http://airflow/{'x' * 3_000}", "i" * 2_001)
    Slack().send(Message("k", "s", (long.text,), alerts=(long,)))
    Slack().send(Message("k", "s", ("many",), alerts=(LINE,) * 51))
    first, second = (request.json for request in slack.taken)
    assert [list(block) for block in first["blocks"]] == [["type", "text"]]
    assert "blocks" not in second


def test_a_mail_leads_to_each_alert(email):
    Email().send(Message("k1", "1 alert", (LINE.text, "http://airflow/"), alerts=(LINE,)))
    (part,) = email.taken[0].iter_parts()
    assert part.get_content().split("<br>")[0] == (
        "[high] A &amp; B &lt;!channel&gt; "
        '<a href="http://airflow/plugin/surveillance?screen=alert&amp;id=a%7C1">open</a>'
    )


def test_e_mail_is_text_with_an_id_of_the_message(email):
    Email().send(Message("k1", "1 alert", ("[high] <b>A</b> & B", "http://airflow/")))
    (mail,) = email.taken
    assert (mail["Subject"], mail["To"], mail["From"]) == ("1 alert", "a@example.com", "us@example.com")
    assert mail["Message-ID"] == "<k1@market-surveillance>"
    (part,) = mail.iter_parts()
    assert part.get_content().split() == ["[high]", "&lt;b&gt;A&lt;/b&gt;", "&amp;", "B<br>", "http://airflow/"]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("name", ["webhook", "slack"])
def test_a_redirect_is_an_error_and_followed_by_nobody(request, name, status):
    sink = request.getfixturevalue(name)
    sink.answer = lambda _: Answer(status, {"Location": f"{sink.url}/elsewhere"})
    with pytest.raises(ChannelError, match=f"answered {status}; redirects are not followed, .*{name}_alerts"):
        open_channel(name).send(MESSAGE)
    assert len(sink.requests) == 1


@pytest.mark.parametrize("status", [400, 406, 413, 422])
@pytest.mark.parametrize("name", ["webhook", "slack"])
def test_a_message_may_be_refused(request, name, status):
    request.getfixturevalue(name).answer = lambda _: Answer(status)
    with pytest.raises(MessageRefusedError, match=f"answered {status}"):
        open_channel(name).send(MESSAGE)


@pytest.mark.parametrize(
    "answer",
    [
        *(Answer(status) for status in (401, 403, 404, 405, 407, 408, 410, 429, 500, 502, 503)),
        Answer(reset=True),
        Answer(hang_seconds=1.0),
    ],
)
@pytest.mark.parametrize("name", ["webhook", "slack"])
def test_a_channel_that_takes_nothing_says_why_without_its_secret(request, name, answer, monkeypatch):
    monkeypatch.setattr("include.surveillance.channels.TIMEOUT_SECONDS", 0.3)
    request.getfixturevalue(name).answer = lambda _: answer
    with pytest.raises(ChannelError) as raised:
        open_channel(name).send(MESSAGE)
    assert not isinstance(raised.value, MessageRefusedError)
    assert "T0/B0/X" not in str(raised.value)


@pytest.mark.parametrize(
    ("reply", "error"),
    [("552 too big", MessageRefusedError), ("554 spam", MessageRefusedError), ("451 later", ChannelError)],
)
def test_a_mail_may_be_refused_for_good_or_for_now(email, reply, error):
    email.reply = reply
    with pytest.raises(ChannelError) as raised:
        Email().send(MESSAGE)
    assert type(raised.value) is error
    assert email.taken == []


def test_a_mail_server_that_is_away_is_named(monkeypatch, email):
    email.shutdown()
    email.server_close()
    with pytest.raises(ChannelError, match=r"email is not reachable: ConnectionRefusedError; .*email_alerts"):
        Email().send(MESSAGE)


def test_retry_after_is_read(webhook):
    webhook.answer = lambda _: Answer(429, {"Retry-After": "17"})
    with pytest.raises(ChannelError) as raised:
        Webhook().send(MESSAGE)
    assert raised.value.retry_after == 17


@pytest.mark.parametrize("name", ["slack", "webhook", "email"])
def test_a_channel_without_its_connection_is_an_error(name):
    with pytest.raises(ConfigurationError, match=rf"names {name}, and connection {name}_alerts is not defined; set .*"):
        open_channel(name).send(MESSAGE)


def test_mail_needs_addresses(monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_EMAIL_ALERTS", json.dumps({"conn_type": "smtp", "host": "h"}))
    with pytest.raises(ConfigurationError, match="no to or no from_email"):
        Email().send(MESSAGE)


def test_a_connection_that_no_setting_names_is_found(webhook):
    assert channels.find_unnamed(["log", "slack"]) == ["webhook_alerts"]
    assert channels.find_unnamed(["webhook"]) == []


def test_the_log_needs_nothing(caplog):
    with caplog.at_level(logging.WARNING):
        Log().send(MESSAGE)
    assert MESSAGE.lines[0] in caplog.text

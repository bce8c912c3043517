"""Channels of the watchdog's own against real servers: each message once to each, whatever another does."""

import ssl

import pytest

from include.surveillance.channels import sign
from include.watchdog.causes import News, Open
from include.watchdog.memory import Keeper, Memory
from include.watchdog.people import MOST_REFUSALS, Mail, Outbox, Slack, Waiting, Webhook, open_channels, write_message
from include.watchdog.settings import WatchdogSettings
from tests.sinks import Answer, HttpSink, serving

BEGAN = News("scheduler", "began", 1_000.0, 1_090.0, "scheduler stands still")
OVER = News("scheduler", "over", 1_000.0, 1_500.0, "scheduler stands still")


def test_messages_say_what_and_since_when_and_have_one_key_each():
    began, over = write_message(BEGAN), write_message(OVER)
    assert began.text == "scheduler stands still (since 1970-01-01 00:16:40 UTC)"
    assert over.text == "Over after 8 min. It was: scheduler stands still"
    assert began.detail["event"] == "watchdog_began"
    assert began.detail["cause"] == "scheduler"
    assert write_message(BEGAN).key == began.key != over.key


def test_text_of_others_stays_on_one_line_and_is_bounded():
    message = write_message(News("kafka", "began", 0.0, 1.0, "a\nb\r\x1b[31m<!channel>" + "x" * 10_000))
    assert len(message.lines) == 1
    assert len(message.text) < 1_200
    assert not set("\n\r\x1b") & set(message.text)


def test_each_channel_gets_each_message_once(sink, smtp):
    settings = WatchdogSettings.from_env(
        {
            "WATCHDOG_SLACK_URL": f"{sink.url}/slack",
            "WATCHDOG_WEBHOOK_URL": f"{sink.url}/hook",
            "WATCHDOG_WEBHOOK_SECRET": "S",
            "WATCHDOG_MAIL_SERVER": f"smtp://127.0.0.1:{smtp.port}",
            "WATCHDOG_MAIL_FROM": "us@example.com",
            "WATCHDOG_MAIL_TO": "a@example.com, b@example.com",
        }
    )
    channels, outbox = open_channels(settings), Outbox()
    for news in (BEGAN, OVER):
        outbox.add(write_message(news), channels)
        outbox.send(channels, 0.0)
        outbox.send(channels, 0.0)
    assert outbox.is_empty
    slack = [it.json["text"] for it in sink.taken if it.path == "/slack"]
    hook = [it for it in sink.taken if it.path == "/hook"]
    assert slack == [write_message(BEGAN).text, write_message(OVER).text]
    assert [it.json["event"] for it in hook] == ["watchdog_began", "watchdog_over"]
    stamp = int(hook[0].headers["X-Surveillance-Timestamp"])
    assert hook[0].headers["X-Surveillance-Signature"] == f"sha256={sign('S', stamp, hook[0].body)}"
    assert [it["Subject"] for it in smtp.taken] == [write_message(BEGAN).subject, write_message(OVER).subject]
    assert smtp.taken[0]["To"] == "a@example.com, b@example.com"
    assert smtp.taken[0].get_content().strip() == write_message(BEGAN).text


@pytest.mark.parametrize("answer", [Answer(500), Answer(302, {"Location": "/"}), Answer(reset=True), Answer(429)])
def test_a_channel_that_takes_nothing_disturbs_no_other_and_gets_all_later(sink, answer):
    other = HttpSink()
    with serving(other):
        channels = [Webhook(f"{sink.url}/hook", ""), Slack(f"{other.url}/slack")]
        outbox = Outbox()
        sink.answer = lambda _: answer
        for news in (BEGAN, OVER):
            outbox.add(write_message(news), channels)
            outbox.send(channels, 0.0)
        assert len(other.taken) == 2
        assert len(sink.requests) == 1  # the next is not tried before the pause is over
        sink.answer = lambda _: Answer()
        outbox.send(channels, 1.0)
        assert sink.taken == []
        outbox.send(channels, 1_000.0)
    assert [it.json["event"] for it in sink.taken] == ["watchdog_began", "watchdog_over"]
    assert len({it.headers["X-Surveillance-Delivery"] for it in sink.requests}) == 2


def test_a_message_that_is_refused_does_not_hold_up_the_others_for_ever(sink):
    channels, outbox, now = [Webhook(f"{sink.url}/hook", "")], Outbox(), 0.0
    sink.answer = lambda request: Answer(422 if request.json["event"] == "watchdog_began" else 200)
    outbox.add(write_message(BEGAN), channels)
    outbox.add(write_message(OVER), channels)
    for _ in range(MOST_REFUSALS + 1):
        outbox.send(channels, now)
        now += 1_000.0
    assert [it.json["event"] for it in sink.taken] == ["watchdog_over"]
    assert outbox.is_empty


def test_a_mail_server_elsewhere_must_offer_tls(smtp, monkeypatch):
    """Its name stands for another machine's."""
    monkeypatch.setattr("include.watchdog.people.LOOPBACK", ())
    outbox, channels = Outbox(), [Mail(f"smtp://127.0.0.1:{smtp.port}", "us@example.com", ["a@example.com"])]
    outbox.add(write_message(BEGAN), channels)
    outbox.send(channels, 0.0)
    assert smtp.taken == []
    assert not outbox.is_empty


def test_a_webhook_whose_certificate_nobody_signed_is_not_told(monkeypatch, tmp_path):
    from include.embedded_warehouse.certificates import ensure_certificates

    made = ensure_certificates(tmp_path)
    server = HttpSink()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*_pair(made))
    server.socket = context.wrap_socket(server.socket, server_side=True)
    channels, outbox = [Webhook(f"https://127.0.0.1:{server.server_port}/", "")], Outbox()
    outbox.add(write_message(BEGAN), channels)
    with serving(server):
        monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
        outbox.send(channels, 0.0)
        assert server.taken == []
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(made.bundle))
        outbox.send(channels, 1_000.0)
    assert len(server.taken) == 1


def _pair(made):
    return made.certificate, made.key


def test_what_waits_and_what_is_known_outlives_the_process(tmp_path, sink):
    channels, keeper = [Webhook(f"{sink.url}/hook", "")], Keeper(tmp_path / "deep" / "known.json")
    assert keeper.read() == Memory()
    outbox = Outbox()
    outbox.add(write_message(BEGAN), channels)
    keeper.write(Memory({"scheduler": Open(1_000.0, "it stands still")}, {"kafka": 5.0}, outbox.waiting))
    again = keeper.read()
    assert again.open == {"scheduler": Open(1_000.0, "it stands still")}
    assert again.ended == {"kafka": 5.0}
    assert [type(it) for it in again.waiting["webhook"]] == [Waiting]
    Outbox(again.waiting).send(channels, 0.0)
    assert [it.json["cause"] for it in sink.taken] == ["scheduler"]


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"open": 1}', b"\xff\xfe"])
def test_a_file_that_cannot_be_read_is_none(tmp_path, content, caplog):
    file = tmp_path / "known.json"
    file.write_bytes(content)
    assert Keeper(file).read() == Memory()
    assert "known.json" in caplog.text


def test_a_file_that_cannot_be_written_is_said_once(tmp_path, caplog):
    (tmp_path / "file").write_text("")
    keeper = Keeper(tmp_path / "file" / "known.json")
    for _ in range(3):
        keeper.write(Memory())
        keeper.beat()
    assert caplog.text.count("cannot be written") == 1

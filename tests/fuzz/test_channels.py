"""Channels that answer anything at all: nothing raises but the channel's own error, nothing is lost, one line each."""

from __future__ import annotations

import json
import socketserver
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.orchestration.channels import Slack, Webhook
from include.surveillance.alerts.messages import LINE_CHARACTERS, News, write_lines
from include.surveillance.channels import LONGEST_RETRY_AFTER, Message
from include.surveillance.errors import ChannelError
from tests.sinks import serving
from tests.surveillance.alerts.test_market_events import alert

STATUS = st.integers(100, 999).map(str) | st.sampled_from(["", "abc", "-1", "2000", "200 OK"])
HEADERS = st.lists(
    st.tuples(
        st.sampled_from(["Retry-After", "Location", "Content-Length", "Transfer-Encoding", "Set-Cookie", "X"]),
        st.text(st.characters(min_codepoint=1, max_codepoint=255, exclude_characters="\r\n"), max_size=40),
    ),
    max_size=4,
)
ANSWERS = st.one_of(
    st.binary(max_size=200),
    st.tuples(STATUS, HEADERS, st.binary(max_size=100)).map(
        lambda parts: (
            f"HTTP/1.1 {parts[0]}\r\n".encode()
            + b"".join(f"{name}: {value}\r\n".encode("latin-1") for name, value in parts[1])
            + b"\r\n"
            + parts[2]
        )
    ),
)
PIECES = [
    "<!channel>",
    "<@U1>",
    "<http://evil|bank>",
    "\n",
    "\r",
    "\u2028",
    "\u202e",
    "\x00",
    "&lt;",
    "*b*",
    "`",
    "{{ 7*7 }}",
]
TITLES = st.lists(st.sampled_from(PIECES) | st.text(max_size=30), max_size=30).map("".join)


class _Answering(socketserver.ThreadingTCPServer):
    daemon_threads = allow_reuse_address = True
    answer = b""

    def handle_error(self, *_: object) -> None:
        """A client that has gone."""


class _Handler(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        length = 0
        while (line := self.rfile.readline()) not in (b"\r\n", b""):
            if line.lower().startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        self.rfile.read(length)
        self.wfile.write(self.server.answer)


@pytest.fixture(scope="module")
def server():
    answering = _Answering(("127.0.0.1", 0), _Handler)
    with pytest.MonkeyPatch.context() as patch, serving(answering):
        host = f"http://127.0.0.1:{answering.server_address[1]}"
        patch.setenv("AIRFLOW_CONN_WEBHOOK_ALERTS", json.dumps({"conn_type": "http", "host": host}))
        slack = {"conn_type": "slackwebhook", "host": host, "password": "T/B/X"}
        patch.setenv("AIRFLOW_CONN_SLACK_ALERTS", json.dumps(slack))
        patch.setattr("include.surveillance.channels.TIMEOUT_SECONDS", 1.0)
        yield answering


@given(answer=ANSWERS, channel=st.sampled_from([Slack(), Webhook()]))
def test_an_answer_is_taken_or_the_channels_error_with_a_bounded_wait(server, answer, channel):
    server.answer = answer
    error = None
    try:
        channel.send(Message("key", "subject", ("[high] ACME rose",)))
    except ChannelError as raised:
        error = raised
    assert error or answer.split(b" ", 2)[1][:1] == b"2"
    assert "T/B/X" not in str(error)
    if error and error.retry_after is not None:
        assert 0 <= error.retry_after <= LONGEST_RETRY_AFTER


@given(title=TITLES)
def test_hostile_titles_are_one_line_without_markup(title):
    lines = [line.text for line in write_lines([News(alert(explanation=title)), News(alert("S1"))])]
    assert len(lines) == 2
    text = json.loads(Slack().encode(Message("key", "subject", tuple(lines))))["text"]
    assert len(text.splitlines()) == 2
    assert not {"<", ">"} & set(text)
    for line in lines:
        assert len(line) <= LINE_CHARACTERS
        assert not {unicodedata.category(character) for character in line} & {"Cc", "Cf", "Cs", "Zl", "Zp"}

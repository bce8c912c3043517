"""Nothing secret is written down: neither by what fails, at any level of logging, nor by a task that prints it.

Kafka's clients are asked in test_secured_kafka, Snowflake's in the tests of the warehouse.
"""

from __future__ import annotations

import json
import secrets
import threading
import traceback
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import urlsplit

import pytest

from include.orchestration import channels, connections
from include.surveillance.channels import Message

SECRET = secrets.token_hex(16)


class Answers(BaseHTTPRequestHandler):
    """A vendor whose pages never end, with the key in their addresses; everything else is refused."""

    def do_GET(self):
        body = {"status": "OK", "results": [], "next_url": f"https://api.massive.com/v2/next?apiKey={SECRET}&cursor=1"}
        self.answer(200 if self.path.startswith("/v2/") else 401, body)

    def do_POST(self):
        self.answer(500, {})

    def answer(self, status: int, body: dict) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), Answers) as running:
        threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()


@pytest.fixture
def connect(monkeypatch) -> Callable[..., None]:
    def connect(conn_id: str, **fields: object) -> None:
        monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", json.dumps({"password": SECRET, **fields}))

    return connect


@pytest.fixture
def written(caplog, capfd) -> Callable[[Callable[[], object]], str]:
    """Everything that a failing call leaves: logs of all levels, output, the whole traceback."""

    def written(fail: Callable[[], object]) -> str:
        caplog.set_level("DEBUG")
        with pytest.raises(Exception) as raised:  # noqa: PT011 - whatever it is, its text must be clean
            fail()
        trace = "".join(traceback.format_exception(raised.value))
        return "\n".join([caplog.text, trace, *capfd.readouterr()])

    return written


def test_the_vendors_key_stays_in_its_header(connect, server, written):
    connect(connections.POLYGON, conn_type="http", host=server)
    text = written(lambda: connections.polygon().news(0, 1_000))
    assert "round in circles: /v2/next?cursor=1" in text
    assert SECRET not in text


def test_a_refused_key_is_not_repeated(connect, server, written):
    connect(connections.POLYGON, conn_type="http", host=server)
    text = written(lambda: connections.polygon().check())
    assert "refused the API key" in text
    assert SECRET not in text


def test_a_database_that_refuses_a_login(connect, postgres, written):
    place = urlsplit(postgres)
    database = {"host": place.hostname, "port": place.port, "login": "surveillance", "schema": "surveillance"}
    connect(connections.APPLICATION, conn_type="postgres", **database)
    text = written(lambda: connections.application_database().__enter__())
    assert "password authentication failed" in text
    assert SECRET not in text


@pytest.mark.parametrize(
    ("channel", "fields"),
    [
        (channels.Slack, {"conn_type": "slackwebhook"}),
        (channels.Webhook, {"conn_type": "http", "login": "us", "extra": {"Authorization": f"Bearer {SECRET}"}}),
    ],
)
def test_a_channel_that_fails_is_masked(connect, server, written, channel, fields):
    """Slack's secret is its address, so clients log it; a task's log goes through Airflow's masker."""
    from airflow.sdk._shared.secrets_masker import redact

    connect(channel.conn_id, host=f"{server}/services", **fields)
    text = written(lambda: channel().send(Message("key", "subject", ("something happened",))))
    assert "500" in text
    assert SECRET not in redact(text)


@pytest.mark.parametrize(
    ("conn_id", "extra"),
    [
        (connections.POLYGON, {}),
        (connections.APPLICATION, {}),
        (connections.KAFKA, {"bootstrap.servers": "any:9092", "sasl.password": "{}"}),
        (connections.KAFKA, {"bootstrap.servers": "any:9092", "ssl.key.password": "{}"}),
        (connections.WAREHOUSE, {"private_key_content": "{}"}),
        (connections.WAREHOUSE, {}),
        ("airflow_db", {}),
    ],
)
def test_what_a_task_has_fetched_it_cannot_print(connect, conn_id, extra):
    from airflow.sdk import Connection
    from airflow.sdk._shared.secrets_masker import redact

    mine = secrets.token_hex(16)
    extra = {name: value.format(mine) for name, value in extra.items()}
    connect(conn_id, conn_type="generic", **({"extra": extra} if mine in extra.values() else {"password": mine}))
    assert mine in redact(mine)
    connection = Connection.get(conn_id)
    assert connection.extra_dejson == extra or not extra
    assert mine not in redact(f"the password is {mine}, is it not")

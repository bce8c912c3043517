"""What streaming says to Snowflake's client and understands of it; landing by it: tests/integration/test_stream.py."""

from __future__ import annotations

import inspect
from contextlib import nullcontext
from datetime import UTC, datetime
from importlib import import_module, util
from types import SimpleNamespace

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import given
from hypothesis import strategies as st

from include.surveillance import broker, wire
from include.surveillance.errors import ConfigurationError, WarehouseError
from include.surveillance.places import Place
from include.surveillance.warehouse import landing, streaming
from tests.integration import snowpipe
from tests.surveillance.warehouse.test_rows import BAR, message

POSITION = (broker.BARS, 2)
LOGIN = {"account": "xy", "user": "me", "database": "MARKET", "role": "surveillance", "host": "xy.example.com"}


@pytest.fixture
def key_file(tmp_path):
    key = rsa.generate_private_key(65537, 2048)
    encryption = serialization.BestAvailableEncryption(b"phrase")
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)
    (tmp_path / "key.pem").write_bytes(pem)
    return tmp_path / "key.pem", key.private_numbers()


@given(st.integers(0), st.from_regex(r"[A-Za-z0-9_-]{1,22}", fullmatch=True), st.integers(-1))
def test_a_token_is_read_as_it_was_written(offset, topic_id, epoch):
    place = Place(offset, topic_id, epoch=epoch)
    assert streaming.read_token(streaming.write_token(place)) == place


@pytest.mark.parametrize("token", ["", "17", "a id 0", "1 id 0 0"])
def test_a_token_of_somebody_else_is_refused(token):
    with pytest.raises(WarehouseError, match="somebody else streams into it"):
        streaming.read_token(token)


def test_what_there_is_not_is_not_sent_and_documents_are_objects():
    row = {"target": "RAW_BARS", "event_id": "e", "payload": '{"a":[1.0]}', "headers": None, "kafka_offset": 0}
    assert streaming.make_streamed(row) == {"EVENT_ID": "e", "PAYLOAD": {"a": [1.0]}, "KAFKA_OFFSET": 0}


@pytest.mark.parametrize(
    ("refused", "bound", "stored", "stops"),
    [
        (0, None, 0, False),
        (1, "8 id 0", 7, True),
        (1, "8 id 0", 8, False),
        (1, None, 9, True),
        (3, "1 id 0", None, True),
    ],
)
def test_rows_that_were_refused_behind_what_is_stored_are_an_error(refused, bound, stored, stops):
    status = snowpipe.ChannelStatus("9 id 0", refused, "too large", bound)
    place = None if stored is None else Place(stored)
    if not stops:
        streaming.check_refusals("RAW_BARS", POSITION, status, place)
        return
    with pytest.raises(WarehouseError, match=r"partition 2 for RAW_BARS.*too large.*docs/how/landing.md"):
        streaming.check_refusals("RAW_BARS", POSITION, status, place)


@pytest.mark.parametrize(("stored_id", "stops"), [("former", True), ("new", False), ("", True)])
def test_rows_of_a_former_topic_that_were_refused_stop_nobody(stored_id, stops):
    status = snowpipe.ChannelStatus("9 former 0", 1, "too large", "9 former 0")
    with pytest.raises(WarehouseError, match="too large") if stops else nullcontext():
        streaming.check_refusals("RAW_BARS", POSITION, status, Place(5, stored_id))


def test_channels_are_let_go_behind_their_clients_and_the_first_error_is_the_one_to_see(caplog):
    """The client's channel sends its rows, however long that takes, when nobody holds it while its client is open."""
    ended = []

    class Channel:
        def __init__(self, table):
            self.table = table

        def __del__(self):
            ended.append(f"channel of {self.table}")

        def append_row(self, row, offset_token=None):
            pass

        def wait_for_commit(self, token_checker, timeout_seconds=None):
            raise OSError("it was opened by somebody else")

    class Client:
        def __init__(self, table):
            self.table = table

        def open_channel(self, channel_name, offset_token=None):
            return Channel(self.table), snowpipe.ChannelStatus(None, 0, None, None)

        def close(self, wait_for_flush=True, timeout_seconds=None):
            assert not wait_for_flush
            ended.append(f"client of {self.table}")
            raise OSError("it is closed")

    messages = [message(wire.encode(BAR)), message(b"no JSON", offset=8)]
    batch = broker.Batch(messages, {POSITION: Place(9, "id", epoch=0)})
    channels = streaming.Channels({}, streaming.Snowpipe(Client, OSError))
    with pytest.raises(WarehouseError, match=r"answered: it was opened by somebody else; .* run it again"):
        channels.store_batch(None, broker.BARS, {POSITION: Place(7, "id")}, batch, datetime(2026, 3, 9, tzinfo=UTC))
    assert ended[:2] == ["client of RAW_BARS", "client of RAW_REJECTED"]
    assert "RAW_BARS did not close: it is closed" in caplog.text
    channels.close()
    assert [it for it in ended if it.startswith("client")] == ended[:2], "each is closed once"


def test_statements_ask_for_no_login_and_no_client(monkeypatch):
    monkeypatch.setattr(streaming, "import_module", pytest.fail)
    with streaming.open_store("statements", {}, pytest.fail) as store:
        assert store is landing.store_batch


@pytest.mark.parametrize("error", [ModuleNotFoundError("No module named it"), RuntimeError("Failed to initialize it")])
def test_a_client_that_cannot_be_loaded_is_named(monkeypatch, error):
    def fail(name):
        raise error

    monkeypatch.setattr(streaming, "import_module", fail)
    with pytest.raises(ConfigurationError, match=r" it\); run: pip install --no-deps snowpipe-.*LAND_BY=statement"):
        streaming.load_snowpipe(LOGIN)


def test_a_login_without_a_key_is_refused(monkeypatch):
    monkeypatch.setattr(streaming, "import_module", lambda name: None)
    with pytest.raises(ConfigurationError, match=r"SNOWFLAKE_PRIVATE_KEY_PATH is not set.*embedded warehouse"):
        streaming.load_snowpipe({**LOGIN, "password": "p"})


@pytest.mark.parametrize("given", [{}, {"private_key_file_pwd": "another"}, {"private_key_file": "/nowhere/key.pem"}])
def test_a_key_that_cannot_be_read_is_named_and_not_told(monkeypatch, key_file, given):
    monkeypatch.setattr(streaming, "import_module", lambda name: None)
    login = {**LOGIN, "private_key_file": str(key_file[0]), **given}
    with pytest.raises(ConfigurationError, match=r"SNOWFLAKE_PRIVATE_KEY_PATH is .*key.pem, and no private") as raised:
        streaming.load_snowpipe(login)
    assert "another" not in str(raised.value)
    assert "BEGIN" not in str(raised.value)


def test_each_table_has_a_client_that_logs_in_with_the_key(monkeypatch, key_file):
    asked = []
    client = SimpleNamespace(StreamingIngestClient=lambda **given: asked.append(given), StreamingIngestError=OSError)
    monkeypatch.setattr(streaming, "import_module", lambda name: client)
    file, numbers = key_file
    opened = streaming.load_snowpipe({**LOGIN, "private_key_file": str(file), "private_key_file_pwd": "phrase"})
    opened.open_client("RAW_BARS")
    properties = asked[0].pop("properties")
    key = serialization.load_pem_private_key(properties.pop("private_key").encode(), None)
    assert key.private_numbers() == numbers
    assert properties == {
        "account": "xy", "user": "me", "role": "surveillance", "url": "https://xy.example.com:443"
    }  # fmt: skip
    assert asked == [
        {"client_name": "land_RAW_BARS", "db_name": "MARKET", "schema_name": "RAW", "pipe_name": "RAW_BARS-STREAMING"}
    ]
    assert opened.error is OSError


def test_the_fake_has_the_signatures_of_the_client():
    if util.find_spec("snowflake.ingest") is None:
        pytest.skip(f"Snowflake's client is not installed: {streaming.INSTALL}")
    client = import_module(streaming.CLIENT)
    for name, methods in {
        "StreamingIngestClient": ("open_channel", "close"),
        "StreamingIngestChannel": ("append_row", "wait_for_commit", "get_channel_status"),
    }.items():
        for method in methods:
            published = inspect.signature(getattr(getattr(client, name), method)).parameters
            faked = inspect.signature(getattr(getattr(snowpipe, name), method)).parameters
            assert [(it.name, it.default) for it in faked.values()] == [
                (it.name, it.default) for it in published.values()
            ], f"{name}.{method}"
    inspect.signature(client.StreamingIngestClient).bind(
        client_name="c", db_name="d", schema_name="s", pipe_name="p", properties={}
    )
    for name in snowpipe.ChannelStatus.__dataclass_fields__:
        assert isinstance(getattr(client.ChannelStatus, name), property), name
    assert issubclass(client.StreamingIngestError, Exception)

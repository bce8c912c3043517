"""Who has not logged in can store nothing and fill no memory."""

from __future__ import annotations

import gzip
import json
import tracemalloc
from pathlib import Path

import fakesnow.server as server
import pytest
from fakesnow.transforms import stage
from starlette.testclient import TestClient

from include.embedded_warehouse import uploads
from include.embedded_warehouse.launcher import application

PATH = "MARKET/RAW/LANDING/rows.parquet"


@pytest.fixture
def bucket(tmp_path, monkeypatch) -> Path:
    folder = tmp_path / "bucket"
    folder.mkdir()
    monkeypatch.setattr(stage, "LOCAL_BUCKET_PATH", str(folder))
    monkeypatch.setattr(server, "sessions", {"a-token": object()})
    return folder


@pytest.fixture
def client(bucket) -> TestClient:
    return TestClient(application("a-password"), raise_server_exceptions=False)


def query(token: str, path: str) -> dict[str, str]:
    number = uploads._number(token)
    return {"session": number, "signature": uploads._sign(number, path)}


def stored(bucket: Path) -> list[str]:
    return [str(path.relative_to(bucket)) for path in bucket.rglob("*") if path.is_file()]


def test_a_signed_address_stores_once_its_session_has_asked(client, bucket):
    assert client.put(f"/fs_bucket/{PATH}", params=query("a-token", PATH), content=b"rows").status_code == 200
    assert stored(bucket) == [PATH]


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"session": "", "signature": ""},
        {**query("a-token", PATH), "signature": "0" * 64},
        {**query("a-token", PATH), "signature": "é"},
        query("a-token", "MARKET/RAW/LANDING/other.parquet"),
        query("a-token-that-has-ended", PATH),
        {"session": "", "signature": uploads._sign("", PATH)},
    ],
)
def test_nothing_is_stored_without_the_signature_of_a_living_session_for_this_path(client, bucket, given):
    assert client.put(f"/fs_bucket/{PATH}", params=given, content=b"rows").status_code == 403
    assert stored(bucket) == []


def test_an_upload_beyond_the_limit_is_refused(client, bucket, monkeypatch):
    monkeypatch.setattr(uploads, "LARGEST_UPLOAD", 100)
    assert client.put(f"/fs_bucket/{PATH}", params=query("a-token", PATH), content=b"x" * 101).status_code == 413
    assert stored(bucket) == []


@pytest.mark.embedded
def test_the_connector_uploads_to_the_signed_address_until_its_session_ends(session, run, tmp_path):
    file = tmp_path / "rows.csv"
    file.write_text("1\n2\n")
    run(session, "create stage if not exists signed")
    ((*_, status, _message),) = run(session, f"put file://{file} @signed auto_compress=false")
    assert status == "UPLOADED"


def login(client: TestClient, body: bytes) -> dict:
    answer = client.post("/session/v1/login-request", content=body, headers={"Content-Encoding": "gzip"})
    assert answer.status_code == 200
    return answer.json()


def test_a_compressed_login_expands_to_its_limit_only(client):
    cut = gzip.compress(b" " * 200_000_000, compresslevel=1)[: uploads.LARGEST_LOGIN]
    bomb = gzip.compress(b" " * 50_000_000)
    tracemalloc.start()
    answer, whole = login(client, cut), login(client, bomb)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert not answer["success"]
    assert "must not be larger than 65,536 bytes" in whole["message"]
    assert peak < 5_000_000


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"[]", b"{}", b'{"data": []}', b'{"data": null}', b"\xff", b'{"data": {"PASSWORD": "\\ud800"}}'),
        json.dumps({"data": {"PASSWORD": 7}}).encode(),
    ],
)
def test_a_malformed_login_is_an_answer(client, body):
    assert not login(client, gzip.compress(body))["success"]
    assert not login(client, body)["success"]

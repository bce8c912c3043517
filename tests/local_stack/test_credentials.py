"""Secrets are generated once and only their owner can read them."""

from __future__ import annotations

import stat

from cryptography.fernet import Fernet

from include.local_stack.credentials import GENERATORS, ensure_credentials
from include.local_stack.env_files import add_needed, fill
from tests.leaks import leaked_credentials


def test_generated_once(tmp_path):
    first = ensure_credentials(tmp_path / "secrets.env")
    assert ensure_credentials(tmp_path / "secrets.env") == first
    assert set(first) == set(GENERATORS)
    assert len(set(first.values())) == len(first)


def test_a_new_secret_is_added_and_known_ones_stay(tmp_path):
    file = tmp_path / "secrets.env"
    file.write_text("JWT_SECRET=mine==\n")
    known = ensure_credentials(file)
    assert known["JWT_SECRET"] == "mine=="
    assert ensure_credentials(file) == known


def test_only_the_owner_can_read_them(tmp_path):
    file = tmp_path / "secrets.env"
    ensure_credentials(file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_keys_are_fit_for_their_use(tmp_path):
    known = ensure_credentials(tmp_path / "secrets.env")
    assert Fernet(known["FERNET_KEY"])
    assert len(known["JWT_SECRET"]) >= 64


def test_a_credential_in_a_log_is_named_and_not_shown(tmp_path):
    known = {"JWT_SECRET": "0123456789abcdef", "FERNET_KEY": "f" * 43, "SHORT": "admin"}
    (tmp_path / "dag_id=poll").mkdir()
    (tmp_path / "dag_id=poll" / "attempt=1.log").write_text("GET /?apiKey=0123456789abcdef by admin")
    (tmp_path / "clean.log").write_bytes(b"\xff nothing")
    assert leaked_credentials(tmp_path, known) == ["dag_id=poll/attempt=1.log: JWT_SECRET"]


def test_env_files_get_secrets_where_none_are_set():
    text = fill("# JWT_SECRET=\nJWT_SECRET=\nFERNET_KEY=mine\nWATCHLIST=\n")
    comment, jwt, fernet, watchlist = text.splitlines()
    assert (comment, fernet, watchlist) == ("# JWT_SECRET=", "FERNET_KEY=mine", "WATCHLIST=")
    assert len(jwt.removeprefix("JWT_SECRET=")) >= 64


def test_an_env_file_of_an_older_version_gets_what_compose_needs():
    older = "FERNET_KEY=mine\nAIRFLOW_PORT=8080"
    example = "COMPOSE_FILE=docker-compose.yml\nFERNET_KEY=\nREDIS_PASSWORD=\nAKHQ_PORT=8088\n"
    lines = fill(add_needed(older, example)).splitlines()
    assert lines[:3] == [*older.splitlines(), "COMPOSE_FILE=docker-compose.yml"]
    assert [line.split("=")[0] for line in lines[3:]] == ["REDIS_PASSWORD"]
    assert lines[3].split("=")[1]
    mine = "COMPOSE_FILE=mine.yml\nFERNET_KEY=f\nREDIS_PASSWORD=r\n"
    assert add_needed(mine, example) == mine
    assert add_needed(example, example) == example

"""After a rotation nothing old opens anything, and nothing is lost."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys

import psycopg2
import pytest
from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from include.local_stack import postgres, stack
from include.local_stack.credentials import GENERATORS, ensure_credentials
from include.local_stack.errors import StackError
from include.local_stack.ports import HOST
from include.local_stack.rotation import KEPT, rotate
from tests.conftest import free_port, service
from tests.paths import ROOT


def values(text: str) -> dict[str, str]:
    return dict(line.split("=", 1) for line in text.splitlines() if "=" in line)


def test_every_generated_secret_is_new_and_nothing_else_changes():
    text = "# a comment\nAIRFLOW_PORT=8080\nPOLYGON_API_KEY=theirs\nSNOWFLAKE_PASSWORD='a=b'\n" + "".join(
        f"{name}={make()}\n" for name, make in GENERATORS.items()
    )
    rotated = rotate(text)
    before, after = values(text), values(rotated)
    assert {name for name in before if before[name] != after[name]} == GENERATORS.keys() - KEPT
    assert rotated.splitlines()[:4] == text.splitlines()[:4]
    assert all(after[name] for name in GENERATORS)


def test_what_earlier_keys_have_encrypted_can_still_be_read_and_is_encrypted_anew():
    text = "FERNET_KEY=\n"
    for _ in range(7):
        text = rotate(text)
    keys = values(text)["FERNET_KEY"].split(",")
    assert len(keys) == 5
    second = Fernet(keys[1]).encrypt(b"word")
    everyone = MultiFernet([Fernet(key) for key in keys])
    assert everyone.decrypt(second) == b"word"
    renewed = everyone.rotate(second)
    assert Fernet(keys[0]).decrypt(renewed) == b"word"
    with pytest.raises(InvalidToken):
        Fernet(keys[1]).decrypt(renewed)


@pytest.mark.parametrize("quote", ["'", '"'])
def test_a_key_in_quotes_stays_a_key(quote):
    key = GENERATORS["FERNET_KEY"]()
    new, earlier = values(rotate(f"FERNET_KEY={quote}{key}{quote}\n"))["FERNET_KEY"].split(",")
    assert (earlier, len(new)) == (key, len(key))


def test_the_databases_of_a_stopped_stack_take_the_new_passwords_and_refuse_the_old(tmp_path_factory, monkeypatch):
    state = tmp_path_factory.mktemp("rotated")
    file, data, port = state / "secrets.env", postgres.data_folder(state), free_port()
    try:
        before = ensure_credentials(file)
        postgres.create_cluster(data, before["POSTGRES_PASSWORD"])
        command = [*postgres.as_server_user(), *postgres.command(data, port)]

        def run(credentials: dict[str, str]):
            ready = lambda: postgres.answers(port, credentials["POSTGRES_PASSWORD"])  # noqa: E731
            return service(command, ready, state / "log", stop=signal.SIGINT)

        with run(before):
            postgres.create_databases(port, before)
        stack.rotate_secrets(state)
        after = ensure_credentials(file)
        assert not set(before.values()) & set(after.values())
        with run(after):
            postgres.create_databases(port, after)
            for role, name in (("surveillance", "SURVEILLANCE_DB_PASSWORD"), ("airflow", "AIRFLOW_DB_PASSWORD")):
                login = {"host": HOST, "port": port, "user": role, "dbname": role}
                psycopg2.connect(**login, password=after[name]).close()
                with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
                    psycopg2.connect(**login, password=before[name])
            assert not postgres.answers(port, before["POSTGRES_PASSWORD"])
    finally:
        shutil.rmtree(postgres.outside_folder(state), ignore_errors=True)


def test_a_running_stack_and_one_without_secrets_are_left_alone(tmp_path, monkeypatch):
    with pytest.raises(StackError, match="generates its secrets at its first start"):
        stack.rotate_secrets(tmp_path)
    known = ensure_credentials(tmp_path / "secrets.env")
    monkeypatch.setattr(stack.Supervisor, "is_running", lambda self: True)
    with pytest.raises(StackError, match="is running; stop it"):
        stack.rotate_secrets(tmp_path)
    assert ensure_credentials(tmp_path / "secrets.env") == known


def test_a_cluster_that_has_not_moved_yet_takes_the_new_password_too(tmp_path, monkeypatch):
    changed, outside = {}, tmp_path / "outside"
    (tmp_path / "postgres").mkdir()
    (tmp_path / "postgres" / "PG_VERSION").write_text("17")
    ensure_credentials(tmp_path / "secrets.env")
    monkeypatch.setattr(postgres, "server_user", lambda: "postgres")
    monkeypatch.setattr(postgres, "_can_enter", lambda folder: False)
    monkeypatch.setattr(postgres, "outside_folder", lambda state: outside)
    monkeypatch.setattr(postgres.shutil, "chown", lambda *_: None)
    monkeypatch.setattr(postgres, "change_password", lambda data, password: changed.update({data: password}))
    stack.rotate_secrets(tmp_path)
    assert changed == {outside / "postgres": ensure_credentials(tmp_path / "secrets.env")["POSTGRES_PASSWORD"]}


def test_the_env_file_of_docker_is_rotated_by_itself(tmp_path):
    file = tmp_path / ".env"
    file.write_text("REDIS_PASSWORD=old\nPOSTGRES_PASSWORD=kept\n")
    run = subprocess.run(
        [sys.executable, "-m", "include.local_stack.rotation", str(file)], cwd=ROOT, capture_output=True, text=True
    )
    assert "docker compose up -d" in run.stdout, run.stderr
    assert "old" not in file.read_text()
    assert "POSTGRES_PASSWORD=kept" in file.read_text()
    assert file.stat().st_mode & 0o077 == 0

"""The server itself: what survives, what is refused, what is said."""

import logging
import signal
import subprocess

import certifi
import pytest
import snowflake.connector.errors as snowflake_errors

from include.embedded_warehouse import versions
from include.surveillance.errors import ConfigurationError
from tests.embedded_warehouse.launcher import Launcher
from tests.paths import ROOT

pytestmark = pytest.mark.embedded


@pytest.fixture
def own(tmp_path, monkeypatch):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "tls" / "ca-bundle.pem"))
    running = Launcher(tmp_path, password="the-right-word").start()
    yield running
    if running.process.poll() is None:
        running.close_sessions()
        running.stop()


def start_refused(launcher, *options: str) -> str:
    """The one line that the launcher prints when it refuses to start."""
    run = subprocess.run([*launcher.command(), *options], capture_output=True, text=True, timeout=60, cwd=ROOT)
    assert run.returncode == 2, run.stderr
    return run.stderr.strip()


def test_what_was_committed_survives_a_kill(own, run):
    session = own.connect()
    run(session, "create table kept (x int) comment = 'kept'")
    run(session, "create stage inbox")
    run(session, "insert into kept values (1)")
    run(session, "create temporary table passing (x int)")
    run(session, "begin")
    run(session, "insert into kept values (2)")
    own.stop(signal.SIGKILL)
    own.start()
    again = own.connect()
    assert run(again, "select * from kept") == [(1,)]
    tables = run(again, "select table_name, comment from information_schema.tables where table_schema = 'RAW'")
    assert tables == [("KEPT", "kept")]
    run(again, "list @inbox")
    with pytest.raises(snowflake_errors.Error):
        run(session, "commit")


def test_sigterm_stops_cleanly(own, run):
    session = own.connect()
    run(session, "create table kept (x int)")
    run(session, "insert into kept values (1)")
    assert own.stop(signal.SIGTERM) == 0
    assert "Traceback" not in (own.folder / "log").read_text()
    own.start()
    assert run(own.connect(), "select * from kept") == [(1,)]


def test_another_password_is_refused_and_none_is_written_down(own, run, caplog, monkeypatch):
    # dbt, when it has run in this process, keeps the connector's log to itself.
    monkeypatch.setattr(logging.getLogger("snowflake.connector"), "propagate", True)
    caplog.set_level("DEBUG", "snowflake.connector")
    with pytest.raises(snowflake_errors.DatabaseError, match="Incorrect username or password"):
        own.connect(password="mistaken-word")
    run(own.connect(), "select 1")
    assert "snowflake.connector" in caplog.text
    for text in (caplog.text, (own.folder / "log").read_text()):
        assert "mistaken-word" not in text
        assert own.password not in text


def test_a_client_that_does_not_know_the_authority_is_refused_by_itself(own, monkeypatch):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", certifi.where())
    with pytest.raises(snowflake_errors.Error, match=r"(?i)certificate|ssl"):
        own.connect(login_timeout=3)


def test_a_second_server_on_the_folder_is_refused(own):
    message = start_refused(own, "--port", "0")
    assert message.startswith("Cannot open the warehouse in")
    assert message.endswith("Stop the other process or choose another folder.")


def test_an_occupied_port_is_named(own, tmp_path):
    message = start_refused(own, "--db-path", str(tmp_path / "other"))
    assert message == (
        f"Port {own.port} on 127.0.0.1 cannot be used: Address already in use. "
        "Stop what listens there, or choose another port with --port."
    )


@pytest.mark.parametrize("options", [("--password", "set"), ("--allow-remote",)])
def test_an_address_of_the_network_needs_a_word_and_a_password(own, options):
    message = start_refused(own, "--host", "0.0.0.0", *options)
    assert message.startswith("--host 0.0.0.0 can be reached by other machines")


def test_another_version_of_a_wrapped_library_is_refused(monkeypatch):
    versions.check_versions()
    monkeypatch.setattr(versions, "PINNED", {**versions.PINNED, "duckdb": "1.5.0"})
    with pytest.raises(ConfigurationError, match=r"duckdb 2\.0\.0 \(needs 1\.5\.0\)"):
        versions.check_versions()

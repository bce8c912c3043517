"""The server itself: what survives, what is refused, what is said."""

import signal
import subprocess

import pytest

from include.embedded_warehouse import versions
from include.surveillance.errors import ConfigurationError
from tests.paths import ROOT

pytestmark = pytest.mark.embedded


def start_refused(launcher, *options: str) -> str:
    """The one line that the launcher prints when it refuses to start."""
    run = subprocess.run([*launcher.command(), *options], capture_output=True, text=True, timeout=60, cwd=ROOT)
    assert run.returncode == 2, run.stderr
    return run.stderr.strip()


def test_sigterm_stops_cleanly(own, run):
    session = own.connect()
    run(session, "create table kept (x int)")
    run(session, "insert into kept values (1)")
    assert own.stop(signal.SIGTERM) == 0
    assert "Traceback" not in (own.folder / "log").read_text()
    own.start()
    assert run(own.connect(), "select * from kept") == [(1,)]


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

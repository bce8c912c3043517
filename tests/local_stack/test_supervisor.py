"""supervisord under real conditions: components start, come back, stop in reverse order; failures are told."""

from __future__ import annotations

import os
import signal
import socket
import sys
from pathlib import Path

import psutil
import pytest
from rich.console import Console

from include.local_stack.components import Component
from include.local_stack.errors import StackError
from include.local_stack.stack import Stack
from include.local_stack.supervisor import Supervisor
from tests.paths import ROOT

SERVER = """
import pathlib, signal, socket, sys
name, port, journal = sys.argv[1], int(sys.argv[2]), pathlib.Path(sys.argv[3])
def stop(*_):
    with journal.open("a") as file: file.write(f"{name} stopped\\n")
    sys.exit(0)
signal.signal(signal.SIGTERM, stop)
listener = socket.create_server(("127.0.0.1", port))
with journal.open("a") as file: file.write(f"{name} started\\n")
while True: listener.accept()
"""


def listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


@pytest.fixture
def journal(tmp_path) -> Path:
    return tmp_path / "journal"


@pytest.fixture
def server(journal, tmp_path):
    """A component that listens on a free port and notes when it starts and stops."""
    program = tmp_path / "server.py"
    program.write_text(SERVER)

    def server(name: str) -> Component:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        return Component(name, [sys.executable, str(program), name, str(port), str(journal)], lambda _: listens(port))

    return server


@pytest.fixture
def stack(tmp_path, monkeypatch):
    """A stack without its own components; whatever a test starts in it is stopped."""
    monkeypatch.setenv("STACK_STATE", str(tmp_path / "state"))
    stack = Stack(console=Console(quiet=True))
    yield stack
    stack.stop()


def test_components_start_in_order_and_stop_in_reverse(stack, server, journal):
    components = [server("first"), server("second")]
    stack.supervisor.start(components, stack.environment)
    stack._bring_up(components[:1])
    stack._bring_up(components[1:])
    assert stack.supervisor.running()
    stack.stop()
    assert not stack.supervisor.running()
    assert journal.read_text().splitlines() == ["first started", "second started", "second stopped", "first stopped"]


def test_a_killed_component_comes_back(stack, server, journal):
    component = server("lively")
    stack.supervisor.start([component], stack.environment)
    stack._bring_up([component])
    first = stack.supervisor.info("lively")["pid"]
    os.kill(first, signal.SIGKILL)
    psutil.wait_procs([process for process in psutil.process_iter() if process.pid == first], timeout=30)
    while stack.supervisor.info("lively")["pid"] in (0, first):
        assert stack.supervisor.info("lively")["statename"] != "FATAL"
    stack._wait(component)
    assert journal.read_text().splitlines() == ["lively started"] * 2


def test_a_component_that_ends_is_told_with_the_end_of_its_log(stack):
    broken = Component("broken", [sys.executable, "-c", "raise SystemExit('no such market')"], lambda _: False)
    stack.supervisor.start([broken], stack.environment)
    with pytest.raises(StackError, match="broken ended while it started") as error:
        stack._bring_up([broken])
    assert "no such market" in str(error.value)


def test_a_component_that_never_becomes_healthy_is_given_up(stack, server):
    component = server("slow")
    deaf = Component("deaf", component.command, lambda _: False, limit_seconds=0)
    stack.supervisor.start([deaf], stack.environment)
    with pytest.raises(StackError, match="deaf is not healthy after 0 s"):
        stack._bring_up([deaf])


def test_a_missing_program_is_told(stack):
    absent = Component("absent", ["no-such-program-anywhere"], lambda _: False)
    stack.supervisor.start([absent], stack.environment)
    with pytest.raises(StackError, match="absent cannot be started"):
        stack._bring_up([absent])


def test_a_running_stack_is_not_started_twice(stack, server):
    stack.supervisor.start([server("only")], stack.environment)
    with pytest.raises(StackError, match="already running"):
        stack.start()


def test_the_configuration_holds_no_secret(stack, server):
    stack.supervisor.start([server("only")], stack.environment)
    text = stack.supervisor.config.read_text()
    assert not [name for name, value in stack.credentials.items() if value in text]


def test_a_deep_state_folder_still_has_a_socket(tmp_path):
    deep = tmp_path / ("d" * 60) / ("e" * 60)
    deep.mkdir(parents=True)
    supervisor = Supervisor(deep)
    supervisor.start([], {**os.environ, "PYTHONPATH": str(ROOT)})
    assert supervisor.running()
    supervisor.stop()
    assert not supervisor.running()

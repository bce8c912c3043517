"""supervisord under real conditions: components come back, a missing program is an error, no secret is written."""

from __future__ import annotations

import os
import signal
import stat
import sys
from dataclasses import replace
from xmlrpc.client import Fault

import psutil
import pytest
from supervisor.xmlrpc import Faults

from include.local_stack import supervisor as supervisor_module
from include.local_stack.components import Component
from include.local_stack.errors import StackError
from include.local_stack.patience import Patience
from include.local_stack.supervisor import ENDED_AT_ONCE, SOCKET_FOLDER, Supervisor
from tests.paths import ROOT


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


def test_a_component_that_stands_still_is_started_anew(stack, server, journal):
    component = replace(server("frozen"), stop_seconds=1)
    stack.supervisor.start([component], stack.environment)
    stack._bring_up([component])
    first = stack.supervisor.info("frozen")["pid"]
    os.kill(first, signal.SIGSTOP)
    stack.supervisor.restart("frozen")
    stack._wait(component)
    assert stack.supervisor.info("frozen")["pid"] != first
    assert not psutil.pid_exists(first)
    stack.supervisor.rpc.stopProcess("frozen", True)
    stack.supervisor.restart("frozen")  # also one that nobody runs
    stack._wait(component)
    with pytest.raises(StackError, match="nobody cannot be stopped"):
        stack.supervisor.restart("nobody")


def test_a_missing_program_is_told(stack):
    absent = Component("absent", ["no-such-program-anywhere"], lambda _: False)
    stack.supervisor.start([absent], stack.environment)
    with pytest.raises(StackError, match=r"(?s)absent ended while it started.*no-such-program-anywhere"):
        stack._bring_up([absent])


@pytest.mark.parametrize(
    ("noted", "told"),
    [("", "ended while it started"), (ENDED_AT_ONCE, "ended while it started"), ("can't fork", "cannot be started")],
)
def test_a_program_that_has_ended_before_supervisord_answers_is_told_by_its_log(stack, monkeypatch, noted, told):
    brief = Component("brief", ["no-such-program-anywhere"], lambda _: False)
    stack.supervisor.start([brief], stack.environment)
    rpc = Supervisor.rpc.fget

    class Late:
        """supervisord that has seen the program's end before it answers."""

        def __init__(self, supervisor):
            self.real = rpc(supervisor)

        def __getattr__(self, name):
            return getattr(self.real, name)

        def startProcess(self, name, wait):  # noqa: N802 - supervisord's name
            self.real.startProcess(name, wait)
            while self.real.getProcessInfo(name)["statename"] == "STARTING":
                pass
            raise Fault(Faults.SPAWN_ERROR, f"SPAWN_ERROR: {name}")

        def getProcessInfo(self, name):  # noqa: N802 - supervisord's name
            return {**self.real.getProcessInfo(name), "spawnerr": noted}

    monkeypatch.setattr(Supervisor, "rpc", property(Late))
    with pytest.raises(StackError, match=f"brief {told}"):
        stack._bring_up([brief])


def test_the_configuration_holds_no_secret(stack, server):
    stack.supervisor.start([server("only")], stack.environment)
    text = stack.supervisor.config.read_text()
    assert not [name for name, value in stack.credentials.items() if value in text]


def test_a_deep_state_folder_still_has_a_socket(tmp_path):
    deep = tmp_path / ("d" * 60) / ("e" * 60)
    deep.mkdir(parents=True)
    supervisor = Supervisor(deep)
    supervisor.start([], {**os.environ, "PYTHONPATH": str(ROOT)})
    assert supervisor.is_running()
    folder = (deep / SOCKET_FOLDER).resolve()
    assert Supervisor(deep).is_running(), "another shell finds it"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    supervisor.stop()
    assert not supervisor.is_running()
    assert not folder.exists()


def test_the_socket_of_a_deep_folder_cannot_be_guessed_and_a_strangers_is_not_used(tmp_path, monkeypatch):
    deep = tmp_path / ("d" * 60) / ("e" * 60)
    deep.mkdir(parents=True)
    first = Supervisor(deep)._socket
    assert Supervisor(deep)._socket == first
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    assert Supervisor(deep)._socket != first


def test_what_a_component_writes_is_for_its_user_alone(stack, server, journal):
    component = server("quiet")
    stack.supervisor.start([component], stack.environment)
    stack._bring_up([component])
    for path in (journal, stack.supervisor.logs / "quiet.log"):
        assert not stat.S_IMODE(path.stat().st_mode) & 0o077, path


WAITS_FOR_THE_OTHER = """
import pathlib, signal, sys, time
own, other = (pathlib.Path(name) for name in sys.argv[1:])
def stop(*_):
    own.touch()
    while not other.exists(): time.sleep(0.01)
    sys.exit()
signal.signal(signal.SIGTERM, stop)
print("ready", flush=True)
while True: signal.pause()
"""


def test_a_floor_stops_at_once(stack, journal):
    """Each ends only when it has seen that the other was told to stop, too."""
    program = journal.with_name("program.py")
    program.write_text(WAITS_FOR_THE_OTHER)
    files = [str(journal.with_name(name)) for name in ("left", "right")]
    log = stack.supervisor.logs
    components = [
        Component(
            name,
            [sys.executable, str(program), *arguments],
            lambda _, name=name: "ready" in (log / f"{name}.log").read_text(),
            stop_seconds=600,
        )
        for name, arguments in (("left", files), ("right", files[::-1]))
    ]
    stack.supervisor.start(components, stack.environment)
    stack._bring_up(components)
    stack.stop()
    assert not stack.supervisor.is_running()


def test_what_does_not_end_is_killed_and_what_cannot_be_killed_is_named(stack, server, monkeypatch):
    deaf = [
        sys.executable,
        "-c",
        "import signal; signal.signal(15, signal.SIG_IGN); print(1, flush=True); signal.pause()",
    ]
    component = Component(
        "deaf", deaf, lambda _: (stack.supervisor.logs / "deaf.log").read_text() != "", stop_seconds=1
    )
    stack.supervisor.start([component], stack.environment)
    stack._bring_up([component])
    with monkeypatch.context() as patch:
        patch.setattr(supervisor_module, "DOWN", set())
        patch.setattr(Patience, "is_over", lambda _: True)
        with pytest.raises(StackError, match="deaf has not stopped after"):
            stack.supervisor.stop()
    stack.supervisor.stop()
    assert not stack.supervisor.is_running()

"""supervisord keeps the components running and writes their logs; it is told what to start and to stop, and when."""

from __future__ import annotations

import os
import secrets
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from configparser import RawConfigParser
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xmlrpc.client import Fault, ServerProxy

import psutil
from supervisor.xmlrpc import Faults, SupervisorTransport

from include.local_stack.credentials import write_secret
from include.local_stack.errors import StackError
from include.local_stack.patience import Patience

if TYPE_CHECKING:
    from include.local_stack.components import Component

SOCKET_PATH_LIMIT = 100
SOCKET_FOLDER = "socket"
START_SECONDS = 60
POLL_SECONDS = 0.1
# supervisord's words for a component that does not run and will not by itself.
DOWN = {"STOPPED", "EXITED", "FATAL", "UNKNOWN"}
# What it notes of a component that has ended before it had run for a second.
ENDED_AT_ONCE = "Exited too quickly (process log may have details)"
# Of each component; with what was before a session of 500 symbols, of which the scheduler writes most.
LOG_MEGABYTES, LOG_BACKUPS = 100, 5


class Supervisor:
    """The supervisord of one state folder, whether it runs or not."""

    def __init__(self, state: Path):
        self.config, self.logs = state / "supervisord.conf", state / "logs"
        self._state, self._socket = state, _socket(state)

    @property
    def rpc(self) -> Any:
        """supervisord's XML-RPC interface; a fresh proxy, because one that has met an error stays unusable."""
        written = self._written()
        user, password = (written.get("unix_http_server", name, fallback=None) for name in ("username", "password"))
        transport = SupervisorTransport(user, password, f"unix://{self._socket}")
        return ServerProxy("http://127.0.0.1", transport=transport).supervisor

    def is_running(self) -> bool:
        """Whether supervisord answers, be it on its way out."""
        try:
            self.rpc.getState()
        except Fault as fault:
            return fault.faultCode == Faults.SHUTDOWN_STATE
        except OSError:
            return False
        return True

    def states(self) -> list[dict[str, Any]]:
        """Return state, description and log of every component; nothing while or after supervisord stops."""
        try:
            return self.rpc.getAllProcessInfo()
        except (Fault, OSError):
            return []

    def start(self, components: list[Component], environment: Mapping[str, str]) -> None:
        """Start supervisord itself; the components wait until they are asked for.

        Raises:
            StackError: it did not come up.
        """
        self.logs.mkdir(parents=True, exist_ok=True)
        write_secret(self.config, self._config(components))
        # In a session of its own: Ctrl-C in the terminal must reach us alone, so that we can stop in order.
        process = subprocess.Popen(
            [sys.executable, "-m", "include.local_stack.supervisord", "--nodaemon", "-c", str(self.config)],
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=(self.logs / "supervisord.err").open("w"),
            start_new_session=True,
            umask=0o077,  # every component's as well
            cwd=environment["PYTHONPATH"],
        )
        patience = Patience(START_SECONDS)
        while not self.is_running():
            if process.poll() is not None or patience.is_over():
                raise StackError(f"supervisord did not start; see {self.logs}/supervisord.err and supervisord.log")
            time.sleep(0.1)

    def launch(self, name: str) -> None:
        """Start one component without waiting for it.

        Raises:
            StackError: its program cannot be run, or supervisord is gone.
        """
        try:
            self.rpc.startProcess(name, False)
        except (Fault, OSError) as error:
            if getattr(error, "faultCode", None) == Faults.SPAWN_ERROR and self._has_started(name):
                return
            raise StackError(f"{name} cannot be started: {_explain(error)}") from error

    def restart(self, name: str) -> None:
        """Stop a component, by force when it does not stop by itself, and start it without waiting for it.

        Raises:
            StackError: there is no such component, or its program cannot be run.
        """
        try:
            self.rpc.stopProcess(name, True)
        except Fault as error:
            if error.faultCode != Faults.NOT_RUNNING:
                raise StackError(f"{name} cannot be stopped: {error.faultString}") from error
        self.launch(name)

    def info(self, name: str) -> dict[str, Any]:
        """Return state, process id and start time (epoch seconds) of a component.

        Raises:
            StackError: there is no such component, or supervisord is gone.
        """
        try:
            return self.rpc.getProcessInfo(name)
        except (Fault, OSError) as error:
            raise StackError(f"nothing is known of {name}: {_explain(error)}") from error

    def stop(self) -> None:
        """Stop all components, then supervisord: floor by floor, from the top, and those of a floor at once.

        What has not ended by itself after its ``stop_seconds`` is killed.

        Raises:
            StackError: something is still there after that; the message names it.
        """
        pid = int((self._state / "supervisord.pid").read_text())
        for names in self._floors():
            self._stop_floor(names)
        with suppress(Fault, OSError):  # when it is stopping already
            self.rpc.shutdown()
        patience = Patience(START_SECONDS)
        while _runs(pid):
            if patience.is_over():
                raise StackError(f"supervisord (process {pid}) has not stopped after {patience.describe()}; kill it")
            time.sleep(POLL_SECONDS)
        self._socket.unlink(missing_ok=True)
        if self._socket.parent != self._state:
            self._socket.parent.rmdir()
            (self._state / SOCKET_FOLDER).unlink()

    def _has_started(self, name: str) -> bool:
        """Whether what failed was to stay alive: supervisord tries anew, and whoever waits for it tells of its end."""
        return self.info(name)["spawnerr"] in ("", ENDED_AT_ONCE)

    def _stop_floor(self, names: list[str]) -> None:
        for name in names:
            with suppress(Fault, OSError):  # when it is not running, or supervisord has been told to stop already
                self.rpc.stopProcess(name, False)
        written = self._written()
        limit = max(written.getint(f"program:{name}", "stopwaitsecs") for name in names) + START_SECONDS
        patience = Patience(limit)
        while left := [it["name"] for it in self.states() if it["name"] in names and it["statename"] not in DOWN]:
            if patience.is_over():
                raise StackError(f"{', '.join(left)} has not stopped after {patience.describe()}; kill it")
            time.sleep(POLL_SECONDS)

    def _floors(self) -> list[list[str]]:
        """List the names of the components that stop at once, those that stop first first."""
        floors: dict[int, list[str]] = {}
        written = self._written()
        for section in written.sections():
            if section.startswith("program:"):
                floors.setdefault(written.getint(section, "priority"), []).append(section.removeprefix("program:"))
        return [floors[floor] for floor in sorted(floors, reverse=True)]

    def _written(self) -> RawConfigParser:
        """Read the file that supervisord was last started with; empty before its first start."""
        written = RawConfigParser()
        written.read(self.config)
        return written

    def _config(self, components: list[Component]) -> str:
        general = f"""[unix_http_server]
file={self._socket}
chmod=0700
username=stack
password={secrets.token_hex(16)}

[supervisord]
logfile={self.logs}/supervisord.log
pidfile={self._state}/supervisord.pid
childlogdir={self.logs}
{"user=root" if os.geteuid() == 0 else ""}

[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface
"""
        return general + "".join(map(self._program, components))

    def _program(self, component: Component) -> str:
        command = shlex.join(component.program).replace("%", "%%")
        return f"""
[program:{component.name}]
command={command}
priority={component.floor}
autostart=false
autorestart=true
startsecs=1
startretries=20
stopsignal={component.stop_signal}
stopwaitsecs={component.stop_seconds}
killasgroup=true
redirect_stderr=true
stdout_logfile={self.logs}/{component.name}.log
stdout_logfile_maxbytes={LOG_MEGABYTES}MB
stdout_logfile_backups={LOG_BACKUPS}
{f"user={component.user}" if component.user else ""}
"""


def _explain(error: Fault | OSError) -> str:
    """Say why supervisord did not do what it was asked for."""
    if isinstance(error, Fault) and error.faultCode != Faults.SHUTDOWN_STATE:
        return error.faultString
    return "supervisord has ended; `make stop` in another shell does that"


def _runs(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _socket(state: Path) -> Path:
    """Return the socket's path; that of a deep folder would exceed the hard limit of its length.

    Such a state folder, which nobody else can enter, knows a folder of a random name that nobody else can enter.
    """
    path, link = state / "supervisor.sock", state / SOCKET_FOLDER
    if len(str(path)) <= SOCKET_PATH_LIMIT or not state.exists():
        return path
    if not link.is_dir() or link.stat().st_uid != os.geteuid():
        link.unlink(missing_ok=True)
        link.symlink_to(tempfile.mkdtemp(prefix="surveillance-"))
    return link.resolve() / path.name

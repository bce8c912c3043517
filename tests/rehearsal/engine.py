"""A Docker Engine in namespaces of its own, which leaves nothing behind."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from include.surveillance.errors import SurveillanceError

ENTER = Path(__file__).with_name("enter.sh")
CONTROL_GROUPS = Path("/sys/fs/cgroup")
# slirp4netns answers names there.
RESOLVER = "nameserver 10.0.2.3\n"
START_SECONDS, STOP_SECONDS = 60.0, 90.0
SHELL = {"HOME": "/root", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
STORES = {"overlay2": False, "containerd": True}


class Engine:
    """Docker's daemon in ``root``, with one of the image stores of ``STORES``; used as a context manager.

    Raises:
        SurveillanceError: the engine does not start; the message ends as its log does. Or a command in it fails.
    """

    def __init__(self, root: Path, store: str):
        self.root, self.store = root, store
        self.log = root.with_name(f"{root.name}.log")
        self._name = f"rehearsal-{os.getpid()}"
        self._processes: list[subprocess.Popen[bytes]] = []
        self._first = 0

    def __enter__(self) -> Engine:
        try:
            self._start()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self._stop()

    def run(self, *command: str, folder: str = "/", timeout: float = 120) -> str:
        """Run a command as root beside the engine and return what it prints.

        Raises:
            SurveillanceError: it failed or took longer; the message ends as its output does.
        """
        # Nothing of this machine's environment, which could set what the project's files ask for.
        inside = ["env", "--ignore-environment", *(f"{name}={value}" for name, value in SHELL.items())]
        shown = shlex.join(command)
        try:
            run = subprocess.run(
                [*self._enter("mount", "pid", "net", "root"), f"--wdns={folder}", *inside, *command],
                capture_output=True,
                text=True,
                timeout=timeout,
            )
        except subprocess.TimeoutExpired as error:
            raise SurveillanceError(f"`{shown}` is not done after {timeout:.0f} s\n{_tail(_text(error))}") from error
        if run.returncode:
            raise SurveillanceError(f"`{shown}` ended with {run.returncode}:\n{_tail(run.stdout + run.stderr)}")
        return run.stdout

    def visit(self, *command: str, timeout: float, env: Mapping[str, str]) -> str:
        """Run a program of this machine that sees the engine's 127.0.0.1; as ``run`` otherwise."""
        try:
            run = subprocess.run(
                [*self._enter("net"), *command],
                capture_output=True,
                text=True,
                timeout=timeout,
                env={**os.environ, **env},
            )
        except subprocess.TimeoutExpired as error:
            raise SurveillanceError(f"`{shlex.join(command)}` is not done after {timeout:.0f} s") from error
        if run.returncode:
            raise SurveillanceError(_tail(run.stdout + run.stderr))
        return run.stdout

    def cpu_seconds(self) -> float:
        """Count the processor seconds of the daemon and of all containers since the engine's start."""
        if _is_unified():
            lines = (CONTROL_GROUPS / self._name / "cpu.stat").read_text().splitlines()
            return next(int(line.split()[1]) for line in lines if line.startswith("usage_usec")) / 1e6
        return int((CONTROL_GROUPS / "cpuacct" / self._name / "cpuacct.usage").read_text()) / 1e9

    def _start(self) -> None:
        (self.root / "etc" / "docker").mkdir(parents=True, exist_ok=True)
        features = {"features": {"containerd-snapshotter": STORES[self.store]}}
        (self.root / "etc" / "docker" / "daemon.json").write_text(json.dumps(features))
        (self.root / "etc" / "resolv.conf").write_text(RESOLVER)
        ready = self.root.with_name(f"{self.root.name}.ready")
        group = CONTROL_GROUPS / ("" if _is_unified() else "cpuacct") / self._name
        (group / "engine").mkdir(parents=True)
        options = [f"--cgroup-parent=/{self._name}", "--exec-opt=native.cgroupdriver=cgroupfs"]
        # Whatever becomes of us, the engine ends, and with its first process all others of its namespaces.
        command = ["setpriv", "--pdeathsig=KILL", "unshare", "--net", "--mount", "--pid", "--fork", "--kill-child"]
        self._launch(*command, "sh", str(ENTER), str(self.root), str(ready), str(group), *options)
        self._wait("its namespaces", ready.exists)
        ready.unlink()
        (child,) = Path(f"/proc/{self._processes[0].pid}/task/{self._processes[0].pid}/children").read_text().split()
        self._first = int(child)
        self._launch(
            "setpriv", "--pdeathsig=KILL", "slirp4netns", "--configure", "--disable-host-loopback", child, "tap0"
        )
        self._wait("the engine", self._answers)

    def _answers(self) -> bool:
        try:
            return bool(self.run("docker", "info", "--format", "{{.ServerVersion}}"))
        except SurveillanceError:
            return False

    def _launch(self, *command: str) -> None:
        with self.log.open("ab") as log:
            self._processes.append(subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True))

    def _wait(self, what: str, is_there: Callable[[], bool]) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not is_there():
            if time.monotonic() > deadline or self._processes[0].poll() is not None:
                raise SurveillanceError(f"{what} did not start; {self.log} ends:\n{_tail(self.log.read_text())}")
            time.sleep(0.2)

    def _stop(self) -> None:
        if self._first:
            _end(self._first, signal.SIGTERM)
        for process in self._processes:
            if process is not self._processes[0]:
                process.terminate()
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                _end(self._first or process.pid, signal.SIGKILL)
                process.kill()
                process.wait()
        for group in [*CONTROL_GROUPS.glob(f"*/{self._name}"), CONTROL_GROUPS / self._name]:
            for folder, _, _ in os.walk(group, topdown=False):
                Path(folder).rmdir()

    def _enter(self, *namespaces: str) -> list[str]:
        return ["nsenter", f"--target={self._first}", *(f"--{name}" for name in namespaces)]


def _is_unified() -> bool:
    return (CONTROL_GROUPS / "cgroup.controllers").exists()


def _end(process: int, number: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(process, number)


def _text(error: subprocess.TimeoutExpired) -> str:
    return b"".join(it for it in (error.stdout, error.stderr) if isinstance(it, bytes)).decode(errors="replace")


def _tail(output: str, lines: int = 15) -> str:
    return "\n".join(output.strip().splitlines()[-lines:])

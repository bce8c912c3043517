"""Run a launcher for the tests: start, kill, stop, connect."""

from __future__ import annotations

import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
import snowflake.connector
from snowflake.connector import SnowflakeConnection

from tests.paths import ROOT

START_LIMIT_SECONDS = 60


class Launcher:
    """A launcher process on its own folder and port."""

    def __init__(self, folder: Path, *options: str, password: str | None = None):
        self.folder, self.options, self.password = folder, options, password
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.bundle = folder / "tls" / "ca-bundle.pem"
        """REQUESTS_CA_BUNDLE of its clients: the connector reads its trusted authorities from the environment only."""
        self.process: subprocess.Popen[bytes] | None = None
        self.sessions: list[SnowflakeConnection] = []

    def command(self) -> list[str]:
        where = ["--db-path", self.folder / "db", "--port", self.port, "--tls", self.folder / "tls"]
        return [sys.executable, "-m", "include.embedded_warehouse", *map(str, where), *self.options]

    def start(self) -> Launcher:
        environment = {**os.environ, "WAREHOUSE_PASSWORD": self.password or ""}
        log = self.folder / "log"
        with log.open("ab") as output:
            self.process = subprocess.Popen(self.command(), cwd=ROOT, stdout=output, stderr=output, env=environment)
        deadline = time.monotonic() + START_LIMIT_SECONDS
        while not self.healthy():
            if self.process.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"the launcher did not become healthy:\n{log.read_text()[-3000:]}")
            time.sleep(0.1)
        return self

    def healthy(self) -> bool:
        if not self.bundle.exists():
            return False
        trust = ssl.create_default_context(cafile=str(self.bundle))
        try:
            with urllib.request.urlopen(f"https://127.0.0.1:{self.port}/health", timeout=5, context=trust) as answer:
                return json.load(answer)["ok"]
        except (urllib.error.URLError, OSError):
            return False

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(30)

    def connect(self, **settings: object) -> SnowflakeConnection:
        standard = {"user": "tester", "password": self.password or "any", "account": "local", "schema": "RAW"}
        address = {"host": "127.0.0.1", "port": self.port, "database": "MARKET", "login_timeout": 10}
        session = snowflake.connector.connect(**{**standard, **address, "network_timeout": 60, **settings})
        self.sessions.append(session)
        return session

    def close_sessions(self) -> None:
        """While the server is up; what is left open the connector closes at exit, and complains when nobody answers."""
        for session in self.sessions:
            if not session.is_closed():
                session.close(retry=False)

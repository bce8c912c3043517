"""A stack whose components a test makes itself."""

from __future__ import annotations

import socket
import sys
from pathlib import Path

import pytest
from rich.console import Console

from include.local_stack.components import Component
from include.local_stack.stack import Stack

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

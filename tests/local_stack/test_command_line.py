"""A key of the user's own is tried before anything starts: what is wrong is said in one line."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.conftest import free_port, service
from tests.paths import ROOT


@pytest.fixture(scope="module")
def vendor(folder) -> str:
    """A simulator that knows one key; yields its address."""
    import httpx

    port = free_port()
    address = f"http://127.0.0.1:{port}"

    def ready() -> bool:
        try:
            return httpx.get(f"{address}/health").status_code == 200
        except httpx.TransportError:
            return False

    command = ["env", "SIMULATOR_API_KEY=the-right-key", sys.executable, "-m", "include.polygon_simulator"]
    with service([*command, "--port", str(port)], ready, folder / "vendor.log"):
        yield address


def start(tmp_path, address: str) -> subprocess.CompletedProcess[str]:
    own = {"STACK_STATE": str(tmp_path), "POLYGON_API_KEY": "a-wrong-key", "POLYGON_BASE_URL": address}
    command = [sys.executable, "-m", "include.local_stack", "up"]
    return subprocess.run(
        command,
        env={**os.environ, "PYTHONPATH": str(ROOT), **own},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_wrong_key_is_one_line(tmp_path, vendor):
    done = start(tmp_path, vendor)
    assert done.returncode == 1
    assert done.stderr == ""
    assert done.stdout.count("\n") == 1
    assert "refused the API key" in done.stdout
    assert "POLYGON_API_KEY" in done.stdout


def test_an_unreachable_vendor_is_one_line(tmp_path):
    address = f"http://127.0.0.1:{free_port()}"
    done = start(tmp_path, address)
    assert done.returncode == 1
    assert done.stderr == ""
    assert done.stdout.count("\n") == 1
    assert f"Polygon at {address} is not reachable" in done.stdout
    assert "POLYGON_BASE_URL" in done.stdout

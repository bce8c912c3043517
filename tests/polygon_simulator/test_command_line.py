"""The process as a supervisor starts it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys

import httpx
import pytest

from tests.paths import ROOT


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "include.polygon_simulator", *arguments]


def environment(key: str | None = "secret") -> dict[str, str]:
    bare = {name: value for name, value in os.environ.items() if name != "SIMULATOR_API_KEY"}
    return bare | ({"SIMULATOR_API_KEY": key} if key else {})


@pytest.mark.parametrize(
    ("arguments", "key", "said"),
    [
        ((), None, "SIMULATOR_API_KEY"),
        (("--host", "0.0.0.0"), "secret", "--allow-remote"),
        (("--symbols", "4"), "secret", "5 to 24"),
        (("--calendar", "MOON"), "secret", "MOON"),
        (("--replay", "/nothing.parquet"), "secret", "/nothing.parquet"),
        (("--shift-ms", "60000"), "secret", "--replay"),
        (("--replay", "/nothing.parquet", "--watched-from-ms", "1"), "secret", "leave it out"),
        (("--answer-ms", "80-20"), "secret", "80-20"),
    ],
)
def test_a_wrong_start_gives_one_line(arguments, key, said):
    done = subprocess.run(
        command("--port", "1", *arguments),
        cwd=ROOT,
        env=environment(key),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 2
    assert said in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_it_serves_and_stops(tmp_path):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        command("--port", str(port), "--seed", "5", "--symbols", "6"), cwd=ROOT, env=environment()
    )
    try:
        transport = httpx.HTTPTransport(retries=10)
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", transport=transport, timeout=60) as http:
            assert http.get("/health").json() == {"status": "ok"}
            market = http.get("/simulator/market", params={"apiKey": "secret"}).json()
            assert (market["mode"], market["seed"], market["calendar"]) == ("synthetic", 5, "24/7")
    finally:
        process.terminate()
        assert process.wait(timeout=60) in (0, -15)

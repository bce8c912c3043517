"""Each line of a component's log begins with a time, its own or that of its arrival."""

from __future__ import annotations

import re
import sys

import psutil

from include.local_stack.components import Component
from include.local_stack.supervisord import MEMORY_LIMIT, TIMED

OUTPUT = """
import sys

import psutil
print("an address without a time")
print("2026-11-29T13:00:01.5Z a line with its own")
print("[2026-11-29 13:00:01,500] INFO so has this one")
print()
sys.stdout.write("begun, ")
sys.stdout.flush()
sys.stderr.write("and ended\\n")
sys.stderr.write("Traceback (most recent call last):\\n  File ...\\n")
sys.stdout.write("never ended")
sys.stdout.flush()
"""


def test_every_line_has_a_time_and_nothing_is_lost(stack, tmp_path):
    program = tmp_path / "speaks.py"
    program.write_text(OUTPUT)
    component = Component("speaks", [sys.executable, "-u", str(program)], lambda _: True)
    stack.supervisor.start([component], stack.environment)
    stack.supervisor.launch("speaks")
    log = stack.supervisor.logs / "speaks.log"
    while not log.exists() or b"never ended" not in log.read_bytes():
        assert stack.supervisor.info("speaks")["statename"] != "FATAL"
    lines = log.read_bytes().splitlines()[:8]
    assert all(TIMED.match(line) for line in lines)
    said = [re.sub(rb"^[\d-]+T[\d:.]+Z ?", b"", line).decode() for line in lines]
    assert said == [
        "an address without a time",
        "a line with its own",
        "[2026-11-29 13:00:01,500] INFO so has this one",
        "",
        "begun, and ended",
        "Traceback (most recent call last):",
        "  File ...",
        "never ended",
    ]


def test_supervisord_is_not_open_to_whoever_finds_its_socket(stack, server):
    stack.supervisor.start([server("only")], stack.environment)
    assert "CRIT" not in (stack.supervisor.logs / "supervisord.log").read_text().replace(
        "Supervisor is running as root", ""
    )
    assert stack.supervisor.config.stat().st_mode & 0o077 == 0


GREEDY = """
import os, sys, time
# Half of it in a process of its own: both count.
os.fork()
held = bytearray(os.urandom(1)) * (int(sys.argv[1]) << 19)
open(sys.argv[2], "a").write("held\\n")
time.sleep(600)
"""


def test_a_component_that_takes_too_much_memory_is_ended_with_all_its_processes_and_comes_back(stack, tmp_path):
    program, limit = tmp_path / "greedy.py", 150
    program.write_text(GREEDY)

    def component(name, mebibytes):
        return Component(name, [sys.executable, str(program), str(mebibytes), str(tmp_path / name)], lambda _: True)

    modest, greedy = component("modest", 20), component("greedy", 2 * limit)
    stack.supervisor.start([modest, greedy], stack.environment | {MEMORY_LIMIT: str(limit)})
    for name in ("modest", "greedy"):
        stack.supervisor.launch(name)
    while stack.supervisor.info("modest")["statename"] != "RUNNING" or not stack.supervisor.info("greedy")["pid"]:
        assert stack.supervisor.info("modest")["statename"] != "FATAL"
    first, kept = stack.supervisor.info("greedy")["pid"], stack.supervisor.info("modest")["pid"]
    log = stack.supervisor.logs / "supervisord.log"
    while "greedy takes" not in log.read_text():
        assert stack.supervisor.is_running()
    while stack.supervisor.info("greedy")["pid"] in (0, first):
        assert stack.supervisor.info("greedy")["statename"] != "FATAL"
    assert stack.supervisor.info("modest")["pid"] == kept
    assert "modest takes" not in log.read_text()
    assert not psutil.pid_exists(first)

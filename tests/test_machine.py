"""What a machine lacks is said with what it has, what is wanted and what happens otherwise."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from types import SimpleNamespace

import psutil
import pytest

from include import machine
from include.machine import DISK_BYTES, GIB, MEMORY_BYTES, PROCESSORS, list_shortages
from tests.paths import ROOT


@pytest.fixture
def having(monkeypatch, tmp_path):
    def shortages(memory: float = MEMORY_BYTES, processors: int = PROCESSORS, disk: float = DISK_BYTES) -> list[str]:
        monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(total=memory))
        monkeypatch.setattr(os, "cpu_count", lambda: processors)
        monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=disk))
        return list_shortages(tmp_path)

    return shortages


def test_enough_is_nothing_to_speak_of(having):
    assert having() == []


@pytest.mark.parametrize(
    ("less", "said"),
    [
        ({"memory": 3.8 * GIB}, "memory: 3.8 GB, of which the platform asks for 6 GB"),
        ({"processors": 1}, "processors: 1, of which the platform asks for 2"),
        ({"disk": 2.5 * GIB}, "free disk: 2.5 GB, of which the platform asks for 10.0 GB"),
    ],
)
def test_too_little_is_named_with_both_numbers(having, less, said):
    (shortage,) = having(**less)
    assert shortage.startswith(said)


def test_everything_that_is_short_is_said_at_once(having):
    assert len(having(memory=GIB, processors=1, disk=GIB)) == 3


def test_as_a_command_it_warns_and_goes_on():
    run = subprocess.run([sys.executable, "-m", machine.__name__], cwd=ROOT, capture_output=True, text=True)
    assert (run.returncode, run.stderr) == (0, "")
    assert [line.startswith("WARNING: too little ") for line in run.stdout.splitlines()] == [True] * len(
        list_shortages(ROOT)
    )

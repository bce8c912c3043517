"""The health check that ends a container: in a process namespace of its own, as a container is."""

from __future__ import annotations

import os
import shutil
import subprocess
from datetime import datetime, timedelta

import pytest

from tests.paths import ROOT

# What is the first process there; the program beside it stands still.
PLAYED = """
sleep 600 & program=$!
kill -STOP $program
bash include/liveness.sh "$NEEDED" "$CHECK" >&2; code=$?
sleep 0.2
kill -0 $program 2>/dev/null && echo "$code lives" || echo "$code ended"
"""
UNSHARE = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"]


@pytest.fixture
def check(tmp_path):
    """A function from what was, is needed and is found to the check's exit code and what became of the program."""
    if not shutil.which("unshare") or subprocess.run([*UNSHARE, "true"], capture_output=True).returncode:
        pytest.skip("process namespaces cannot be made here; run the tests as root")
    mark, first = tmp_path / "good", tmp_path / "docker-init"
    shutil.copy("/bin/bash", first)

    def check(check, needed="true", good_minutes_ago=None, first=first):
        if good_minutes_ago is not None:
            then = (datetime.now() - timedelta(minutes=good_minutes_ago)).timestamp()  # noqa: DTZ005 - of this machine
            mark.touch()
            os.utime(mark, (then, then))
        given = os.environ | {"LIVENESS_MARK": str(mark), "NEEDED": needed, "CHECK": check}
        done = subprocess.run([*UNSHARE, str(first), "-c", PLAYED], env=given, cwd=ROOT, capture_output=True, text=True)
        return done.stdout.strip(), mark.exists() and datetime.now().timestamp() - mark.stat().st_mtime < 60  # noqa: DTZ005

    return check


def test_what_is_well_lives_and_is_known_to_have_been_well(check):
    assert check("true", good_minutes_ago=30) == ("0 lives", True)
    assert check("true") == ("0 lives", True)


def test_what_was_never_well_may_be_starting(check):
    assert check("false") == ("1 lives", False)


def test_what_is_bad_for_a_moment_lives(check):
    assert check("false", good_minutes_ago=1.5) == ("1 lives", False)


def test_what_stands_still_for_two_minutes_is_ended_though_it_takes_no_signal(check):
    assert check("false", good_minutes_ago=3) == ("1 ended", False)


def test_nothing_is_ended_outside_of_a_container(check):
    assert check("false", good_minutes_ago=3, first="bash") == ("1 lives", False)


def test_nothing_is_ended_while_nobody_can_know(check):
    assert check("false", needed="exit 3", good_minutes_ago=30) == ("1 lives", True)
    assert check("false", needed="</dev/tcp/127.0.0.1/1", good_minutes_ago=30) == ("1 lives", True)

"""A limit on a busy machine: who is slow because others run is waited for, who hangs is not."""

from __future__ import annotations

import pytest

from include.local_stack import patience
from include.local_stack.patience import Patience


@pytest.fixture
def machine(monkeypatch, tmp_path):
    """Let seconds pass on two processors while so many programs want to run."""
    clock = [1_000.0]
    monkeypatch.setattr(patience.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(patience, "count_processors", lambda: 2)
    monkeypatch.setattr(patience, "LOAD", tmp_path / "loadavg")

    def passes(limit: Patience, seconds: int, running: int) -> bool:
        """Ask once a second; return whether the limit was reached meanwhile."""
        (tmp_path / "loadavg").write_text(f"1.00 1.00 1.00 {running}/812 4242\n")
        over = False
        for _ in range(seconds):
            clock[0] += 1
            over = limit.is_over()
        return over

    return passes


@pytest.mark.parametrize(("running", "lasts"), [(0, 60), (1, 60), (2, 60), (4, 120), (20, 600)])
def test_a_limit_lasts_as_much_longer_as_each_program_is_slower(machine, running, lasts):
    limit = Patience(60)
    assert not machine(limit, lasts - lasts // 50, running)
    assert machine(limit, lasts // 25, running)


def test_who_hangs_is_given_up_when_the_others_rest(machine):
    limit = Patience(60)
    assert not machine(limit, 300, running=20)
    assert machine(limit, 31, running=2)
    assert limit.describe() == "331 s (20 programs wanted to run on 2 processors)"


def test_a_quiet_machine_is_no_excuse(machine):
    limit = Patience(60)
    assert machine(limit, 61, running=1)
    assert limit.describe() == "61 s"


def test_where_the_system_does_not_say_a_second_is_a_second(machine, monkeypatch, tmp_path):
    monkeypatch.setattr(patience, "LOAD", tmp_path / "absent")
    assert patience.count_running() == 1


def test_this_machine_says_what_wants_to_run():
    assert patience.count_running() >= 1
    assert patience.count_processors() >= 1

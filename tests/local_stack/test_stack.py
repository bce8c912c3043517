"""The stack under real conditions: components start in order, stop by floors; each failure is reported."""

from __future__ import annotations

import stat
import sys
from dataclasses import replace

import pytest

from include.local_stack.components import Component
from include.local_stack.errors import StackError
from include.local_stack.stack import clean, state_folder


def test_components_start_in_order_and_stop_from_the_top(stack, server, journal):
    components = [server("first"), replace(server("second"), floor=1)]
    stack.supervisor.start(components, stack.environment)
    stack._bring_up(components[:1])
    stack._bring_up(components[1:])
    assert stack.supervisor.is_running()
    stack.stop()
    assert not stack.supervisor.is_running()
    assert journal.read_text().splitlines() == ["first started", "second started", "second stopped", "first stopped"]


def test_a_component_that_ends_is_told_with_the_end_of_its_log(stack):
    broken = Component("broken", [sys.executable, "-c", "raise SystemExit('no such market')"], lambda _: False)
    stack.supervisor.start([broken], stack.environment)
    with pytest.raises(StackError, match="broken ended while it started") as error:
        stack._bring_up([broken])
    assert "no such market" in str(error.value)


def test_a_component_that_never_becomes_healthy_is_given_up(stack, server):
    component = server("slow")
    deaf = Component("deaf", component.command, lambda _: False, "answer to a ping", limit_seconds=0)
    stack.supervisor.start([deaf], stack.environment)
    with pytest.raises(StackError, match=r"deaf is not healthy after \d+ s.*: no answer to a ping"):
        stack._bring_up([deaf])


def test_who_starts_is_told_that_another_shell_has_stopped_it(stack, server):
    components = [replace(server("slow"), healthy=lambda _: stack.supervisor.rpc.stopProcess("slow") and False)]
    stack.supervisor.start([*components, server("next")], stack.environment)
    with pytest.raises(StackError, match="slow was stopped while it started; `make stop` in another shell does that"):
        stack._bring_up(components)
    stack.stop()
    with pytest.raises(StackError, match="next cannot be started: supervisord has ended; `make stop`"):
        stack.supervisor.launch("next")
    with pytest.raises(StackError, match="nothing is known of slow: supervisord has ended; `make stop`"):
        stack.supervisor.info("slow")


def test_the_first_error_is_shown_before_the_stop_and_stands_when_that_fails_too(stack, monkeypatch):
    shown = []
    monkeypatch.setattr(stack.console, "print", shown.append)

    def stop():
        shown.append("stopping")
        raise StackError("has not stopped")

    with monkeypatch.context() as patch:
        patch.setattr(stack, "start", lambda: None)
        patch.setattr(stack, "stop", stop)
        with pytest.raises(StackError, match="bootstrap is late"), stack:
            raise StackError("bootstrap is late")
    assert [text.removeprefix("[red]✗[/] ") for text in shown] == ["bootstrap is late", "stopping", "has not stopped"]


def test_a_running_stack_is_not_started_twice(stack, server):
    stack.supervisor.start([server("only")], stack.environment)
    with pytest.raises(StackError, match="already running"):
        stack.start()


def test_a_running_stack_is_not_removed(stack, server):
    stack.supervisor.start([server("only")], stack.environment)
    with pytest.raises(StackError, match="stop it with `make stop` first"):
        clean(stack.state)
    stack.stop()
    clean(stack.state)
    assert not stack.state.exists()


def test_every_address_is_named_and_the_login_with_its_password(stack):
    addresses = stack.addresses()
    assert stack.credentials["AIRFLOW_ADMIN_PASSWORD"] in addresses["airflow"]
    for name in ("postgres", "redis", "kafka", "warehouse", "simulator"):
        assert addresses[name].endswith(f":{getattr(stack.ports, name)}")


def test_the_state_folder_is_the_users_or_the_projects(tmp_path):
    assert state_folder({"STACK_STATE": str(tmp_path)}) == tmp_path
    assert state_folder({"STACK_STATE": ""}).name == state_folder({}).name == ".local"


def test_nobody_else_enters_the_state_folder(stack):
    assert stat.S_IMODE(stack.state.stat().st_mode) == 0o700

"""The API server is killed amid what people do: each act is there once, and the chain holds."""

from __future__ import annotations

import signal
import sys
from contextlib import ExitStack
from functools import partial

import pytest

from include.desk_client import Desk, Session
from include.local_stack.health import http
from include.orchestration.application.audit import verify_audit
from tests.conftest import free_port, service
from tests.faults.acts import COUNT, Acts

SERVE = """
import sys
import uvicorn
from airflow.api_fastapi.app import create_app
uvicorn.run(create_app("all"), port=int(sys.argv[1]), log_level="warning")
"""
PATIENCE_SECONDS = 200.0


@pytest.mark.timeout(900)
def test_what_is_sent_again_after_a_kill_is_done_once(client, desk, tmp_path):
    desk("truncate requests")
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    healthy = partial(http, f"{address}/api/v2/monitor/health")
    run = partial(service, [sys.executable, "-c", SERVE, str(port)], healthy, tmp_path / "log", stop=signal.SIGKILL)
    with ExitStack() as server:
        server.enter_context(run())
        acts = Acts(Desk(Session(address, "analyst", "password of Analyst"), PATIENCE_SECONDS))

        def strike():
            server.close()
            server.enter_context(run())

        acts.send(strike)
    assert acts.compare(lambda sql, given: desk(sql, *given)) == []
    assert len(acts.answered) == COUNT
    assert verify_audit() == COUNT


def test_what_is_lost_or_doubled_is_named(desk):
    """The comparison itself: on purpose one is lost and one is there twice."""
    acts = Acts(desk=None)
    first, second, third = (acts._name(number) for number in range(3))
    columns, values = "matcher, reason, author, begins_at, ends_at", "'{}', unnest(%s::text[]), 'x', now(), now()"
    desk(f"insert into silences ({columns}) select {values}", [second, second, third])
    acts.answered = {first}
    wrong = acts.compare(lambda sql, given: desk(sql, *given))
    assert [it.partition(", ")[0] for it in wrong] == [first, second, third]

"""Callbacks: one message to every channel, whatever is down."""

import asyncio
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from include.orchestration import callbacks
from include.orchestration.sender import open_sender
from include.surveillance.errors import VendorError
from tests.orchestration.conftest import transaction
from tests.sinks import Answer


@pytest.fixture
def told(database, webhook, monkeypatch):
    """The bodies that the webhook has taken."""
    monkeypatch.setenv("ALERT_CHANNELS", "webhook")
    return lambda: [request.json for request in webhook.taken]


def failed_task(map_index=-1):
    return SimpleNamespace(
        dag_id="ingest_market_data", task_id="poll", run_id="run 1", map_index=map_index, log_url="http://airflow/log"
    )


def run_context(task):
    return {
        "ti": task,
        "dag": SimpleNamespace(dag_id="ingest_market_data"),
        "run_id": "run 1",
        "reason": "task_failure",
    }


def test_failed_task_is_told_with_its_error_and_its_log(told):
    callbacks.report_task_failure({"ti": failed_task(), "exception": VendorError("401: unknown API key")})
    (message,) = told()
    assert message["text"] == (
        "Task ingest_market_data.poll failed in run 1: VendorError: 401: unknown API key\nhttp://airflow/log"
    )
    assert message["event"] == "task_failed"
    assert message["task_id"] == "poll"


@pytest.mark.parametrize("map_index", [0, 7])
def test_mapped_tasks_are_told_once_by_their_run(told, map_index):
    callbacks.report_task_failure({"ti": failed_task(map_index), "exception": VendorError("no")})
    assert told() == []
    callbacks.report_run_failure(run_context(failed_task(map_index)))
    (message,) = told()
    assert f"failed in task poll [{map_index}]: task_failure" in message["text"]


def test_run_with_an_unmapped_failure_is_not_told_twice(told):
    callbacks.report_run_failure(run_context(failed_task()))
    assert told() == []


def test_run_that_failed_without_a_task_is_told(told):
    context = run_context(None)
    del context["ti"]
    callbacks.report_run_failure(context | {"reason": "timed_out"})
    assert told()[0]["text"] == "Run run 1 of ingest_market_data failed: timed_out"


def test_missed_deadline_is_told(told):
    run = {"dag_id": "land_raw", "dag_run_id": "run 2"}
    asyncio.run(callbacks.report_deadline(context={"dag_run": run}, allowed="0:15:00"))
    assert told()[0]["text"] == "Run run 2 of land_raw is late: not done after 0:15:00"


def test_the_same_failure_of_a_run_is_told_once_and_the_next_one_waits_for_a_count(told):
    for _ in range(2):
        callbacks.report_task_failure({"ti": failed_task(), "exception": VendorError("no")})
    other = failed_task()
    other.run_id = "run 2"
    callbacks.report_task_failure({"ti": other, "exception": VendorError("no")})
    assert [message["run_id"] for message in told()] == ["run 1"]
    with transaction() as cursor:
        cursor.execute("select count(*) from outbox where sent_at is null")
        assert cursor.fetchone() == (1,)


def waiting():
    with transaction() as cursor:
        cursor.execute("select count(*) from outbox where sent_at is null")
        return cursor.fetchone()[0]


def test_one_cause_in_several_tasks_of_a_dag_is_one_message_and_another_cause_its_own(told):
    for task_id, error in (("plan", "no plan 17"), ("news", "no plan 23"), ("plan", "no key")):
        task = failed_task()
        task.task_id = task_id
        callbacks.report_task_failure({"ti": task, "exception": VendorError(error)})
    assert [message["task_id"] for message in told()] == ["plan", "plan"]
    assert waiting() == 1


def test_a_cleared_task_that_fails_again_counts_again(told):
    for attempt in (1, 3):
        task = failed_task()
        task.try_number = attempt
        callbacks.report_task_failure({"ti": task, "exception": VendorError("no")})
    assert len(told()) == 1
    assert waiting() == 1


@pytest.mark.parametrize(("state", "count"), [("success", 0), ("failed", 0), ("queued", 1), ("running", 1)])
def test_a_run_that_has_ended_is_not_late(told, state, count):
    run = {"dag_id": "land_raw", "dag_run_id": "run 2", "state": state}
    asyncio.run(callbacks.report_deadline(context={"dag_run": run}, allowed="0:15:00"))
    assert len(told()) == count


def test_a_channel_that_is_down_delays_the_message_and_loses_none(told, webhook):
    webhook.answer = lambda _: Answer(500)
    callbacks.report_task_failure({"ti": failed_task(), "exception": VendorError("the first error")})
    webhook.answer = lambda _: Answer()
    with open_sender("webhook") as sender:
        assert sender.send_next(datetime.now(UTC) + timedelta(seconds=2)) == {"sent": 1}
    assert "the first error" in told()[0]["text"]

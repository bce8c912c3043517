"""What all DAGs share: owner, retries, callbacks, deadline, tags and pools."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from airflow.sdk import (  # type: ignore[attr-defined]  # its stub lacks the first three
    AsyncCallback,
    DeadlineAlert,
    DeadlineReference,
    RetryDecision,
    RetryPolicy,
)

from include.orchestration.callbacks import report_deadline, report_run_failure, report_task_failure
from include.orchestration.queues import Queue
from include.surveillance.errors import ConfigurationError, VendorError, VendorUnavailableError

if TYPE_CHECKING:
    from airflow.sdk import Context

OWNER = "market-surveillance"


class Tag(StrEnum):
    """The stage of a DAG and how urgent its failure is: tier_1 at once, tier_2 within the day."""

    INGEST = "ingest"
    DETECT = "detect"
    NOTIFY = "notify"
    LAND = "land"
    MODEL = "model"
    BACKFILL = "backfill"
    QUALITY = "quality"
    PLATFORM = "platform"
    TIER_1 = "tier_1"
    TIER_2 = "tier_2"


class Pool(StrEnum):
    """Pools of airflow_settings.yaml."""

    POLYGON = "polygon"
    BACKFILL = "backfill"
    WAREHOUSE = "warehouse"


# Of the fast lane, which ends its tasks itself: a time-out of Airflow is a timer of the process.
LANE = (Queue.POLL, Queue.SHORT)


class RetryWhatMayHelp(RetryPolicy):
    """Fails a wrong key or setting at once, asks a busy vendor again when it says, and retries the rest as usual."""

    # A run that waits holds back those after it, which ask for its time, too.
    longest = timedelta(minutes=5)

    def evaluate(
        self, exception: BaseException, try_number: int, max_tries: int, context: Context | None = None
    ) -> RetryDecision:
        if isinstance(exception, ConfigurationError | VendorError):
            return RetryDecision.fail(f"retrying does not help: {exception}")
        if isinstance(exception, VendorUnavailableError) and exception.retry_after:
            return RetryDecision.retry(min(timedelta(seconds=exception.retry_after), self.longest), str(exception))
        return RetryDecision.default()


def dag_defaults(
    *, deadline: timedelta, execution_timeout: timedelta | None = None, retries: int = 2, **task_arguments: Any
) -> dict[str, Any]:
    """Make keyword arguments for ``DAG``.

    Args:
        deadline: how long a run may take from being queued until somebody is notified.
        execution_timeout: how long a try of a task may take until it is ended, outside the fast lane; the deadline
            unless given.
        retries: of each task, with 10 s, 20 s, ... between them.
        task_arguments: more default arguments for the tasks, e.g. ``pool``.
    """
    return {
        "start_date": datetime(2024, 1, 1, tzinfo=UTC),
        "catchup": False,
        "default_args": {
            "owner": OWNER,
            "retries": retries,
            "retry_delay": timedelta(seconds=10),
            "retry_exponential_backoff": True,
            "max_retry_delay": timedelta(minutes=5),
            "retry_policy": RetryWhatMayHelp(),
            "on_failure_callback": report_task_failure,
            "execution_timeout": None if task_arguments.get("queue") in LANE else execution_timeout or deadline,
            **task_arguments,
        },
        "on_failure_callback": report_run_failure,
        "deadline": DeadlineAlert(
            name="not done in time",
            reference=DeadlineReference.DAGRUN_QUEUED_AT,
            interval=deadline,
            callback=AsyncCallback(report_deadline, kwargs={"allowed": str(deadline)}),
        ),
    }


def follower_defaults(lifetime: timedelta) -> dict[str, Any]:
    """Make ``dag_defaults`` for sensors that follow a topic for ``lifetime``.

    Offsets are their only progress, so a retry costs nothing and comes soon: a partition waits for nobody.
    """
    return dag_defaults(
        deadline=lifetime + timedelta(minutes=5),
        retries=20,
        retry_delay=timedelta(seconds=5),
        retry_exponential_backoff=False,
        queue=Queue.DETECT,
    )

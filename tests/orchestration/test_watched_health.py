"""Airflow's own API server says of its components what the watchdog reads there."""

from datetime import timedelta

import pytest
from airflow.utils import timezone

from include.watchdog.checks import Heartbeats

JOBS = {"SchedulerJob": "scheduler", "TriggererJob": "triggerer", "DagProcessorJob": "dag-processor"}


@pytest.fixture
def look(client, monkeypatch):
    """What the watchdog sees when each component's newest heartbeat is so many seconds old."""
    from airflow.jobs.job import Job
    from airflow.utils.session import create_session

    monkeypatch.setattr(Heartbeats, "ask", lambda self: client.get("/api/v2/monitor/health"))

    def look(ages):
        now = timezone.utcnow()
        with create_session() as session:
            jobs = [
                Job(job_type=name, state="running", latest_heartbeat=now - timedelta(seconds=ages[name]))
                for name in JOBS
            ]
            session.add_all(jobs)
            session.flush()
            session.commit()
            seen = {sight.cause: sight.status for sight in Heartbeats("http://unused").look(now.timestamp())}
            for job in jobs:
                session.delete(job)
        return seen

    return look


@pytest.mark.parametrize("silent", JOBS)
def test_one_that_stands_still_is_seen_and_the_others_are_well(look, silent):
    seen = look(dict.fromkeys(JOBS, 2) | {silent: 75})
    assert seen == dict.fromkeys(("api-server", *JOBS.values()), "well") | {JOBS[silent]: "failing"}


def test_all_are_well(look):
    assert set(look(dict.fromkeys(JOBS, 2)).values()) == {"well"}

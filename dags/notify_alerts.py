"""
# notify_alerts

notify. One sensor waits for new alerts, on its worker or in the triggerer, and stores each as one row in the
application database (the desk, *Surveillance*), with what each channel of `ALERT_CHANNELS` is to be told of it. One
sensor per channel sends: to the log, Slack (connection `slack_alerts`), a webhook (`webhook_alerts`) or by e-mail
(`email_alerts`).

**In**: `market.alerts`. **Out**: tables `alerts` and `outbox` in connection `surveillance_db`, messages.

**When it fails**: *relation "alerts" does not exist*: run `bootstrap_platform`. A channel that takes nothing fails no
task and holds up no other: it is tried again, at least every minute, the other channels are told, and `check_quality`
names it. Correct its connection; what waits follows by itself, what is old as a digest.
"""

from datetime import timedelta

from airflow.sdk import DAG

from include.orchestration.application.runs import account_for
from include.orchestration.dag_defaults import Tag, follower_defaults
from include.orchestration.sensors import NotifySensor, SendSensor
from include.orchestration.timetables import FollowerTimetable
from include.surveillance.settings import Settings

settings = Settings.from_env()

with DAG(
    "notify_alerts",
    schedule=FollowerTimetable(settings.detect_lifetime_seconds),
    max_active_runs=1,
    tags=[Tag.NOTIFY, Tag.TIER_1],
    doc_md=__doc__,
    **follower_defaults(timedelta(seconds=settings.detect_lifetime_seconds)),
):
    notify = NotifySensor(task_id="notify", lifetime_seconds=settings.detect_lifetime_seconds)
    sends = [
        SendSensor(task_id=f"send_{name}", channel=name, lifetime_seconds=settings.detect_lifetime_seconds)
        for name in settings.channels()
    ]
    [notify, *sends] >> account_for("notify", "notify")

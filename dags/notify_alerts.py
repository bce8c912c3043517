"""
# notify_alerts

notify. One sensor waits for new alerts, on its worker or in the triggerer, stores each as one row in the application
database (page *Market surveillance*) and notifies people of the new live ones: Slack (connection `slack_alerts`) and a
webhook (connection `webhook_alerts`) when configured, the task log otherwise.

**In**: `market.alerts`. **Out**: table `alerts` in connection `surveillance_db`, messages.

**When it fails**: alerts are stored before anybody is notified. When one channel refuses a message, the task fails and
sends it again to all of them, so the other channel may get it more than once. *relation "alerts" does not exist*: run
`bootstrap_platform`. *Slack or webhook refuses*: correct the connection; the backlog follows by itself.
"""

from datetime import timedelta

from airflow.sdk import DAG

from include.orchestration.application.runs import account_for
from include.orchestration.dag_defaults import Tag, follower_defaults
from include.orchestration.sensors import NotifySensor
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
    notify >> account_for("notify", "notify")

"""Table ``restores``: when a copy was restored, and until when people had been told of alerts that are not in it.

A copy is older than what people were told last. What they were told since is detected again from the bars that are
polled again, with the same ids; it is stored like every alert, and nobody is told of it twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from include.orchestration.application.database import statement
from include.surveillance.records import Alert
from include.surveillance.timespans import to_ms

TOLD_BEFORE = "told before the restore"


class Restore(NamedTuple):
    """The newest restore.

    Attributes:
        copied_at: when the copy was begun.
        told_until: alerts of bars that closed until then are taken as told.
    """

    copied_at: datetime
    told_until: datetime

    def was_told(self, alert: Alert, overlap: timedelta) -> bool:
        """Whether people were told of this version of an alert before the restore.

        A withdrawal comes of a bar that was corrected. Of the bars in the copy the first polls ask again for those of
        the overlap; such a correction may have come before. Any other is new.

        Args:
            overlap: how far back each poll asks again.
        """
        if alert.status == "retracted":
            return to_ms(self.copied_at - overlap) < alert.bar_close_ms <= to_ms(self.copied_at)
        return alert.bar_close_ms <= to_ms(self.told_until)


def record_restore(cursor: Any, copied_at: datetime, told_until: datetime) -> None:
    """Note a restore; what waited in the copy and was known by ``told_until`` is taken as told, too."""
    values = {"copied_at": copied_at, "told_until": told_until}
    cursor.execute(statement("record_restore"), values)
    if told_until > copied_at:
        cursor.execute(statement("take_as_told"), values)


def split_told(cursor: Any, alerts: Sequence[Alert], overlap: timedelta) -> tuple[list[Alert], list[Alert]]:
    """Split what people are to be told of from what they were told of before the newest restore."""
    cursor.execute(statement("last_restore"))
    row = cursor.fetchone()
    if row is None:
        return list(alerts), []
    restore = Restore(*row)
    told = [alert for alert in alerts if restore.was_told(alert, overlap)]
    return [alert for alert in alerts if alert not in told], told

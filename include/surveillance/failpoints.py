"""Names points at which a process can be made to die or hang, to prove that this does no harm there.

Off unless the environment variable ``FAIL_POINTS`` names a folder. A file in that folder with a point's name arms
the point: the first process that reaches it takes the file away and kills itself as ``kill -9`` would, or hangs for
ever when the file says ``hang``.
"""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

FOLDER = "FAIL_POINTS"
HANG = "hang"
POINTS = (
    "publish.sent",  # the records are on their way, none is confirmed
    "publish.stored",  # Kafka has all of them, the task has not ended
    "poll.published",  # a poll of the minute has published, its task has not ended
    "detect.consumed",  # the batch has been read
    "detect.begun",  # the transaction is open
    "detect.evaluated",  # the rules have run
    "transaction.sent",  # metrics, alerts and state are on their way
    "transaction.offsets_sent",  # they and the offsets are stored, not yet visible
    "detect.committed",  # all of it is visible, the task has not ended
    "notify.recorded",  # the alerts are rows and messages, the batch has not been handled
    "notify.queued",  # the batch has been handled, its offsets are not committed
    "notify.sending",  # messages have been chosen, none has been sent
    "notify.marked",  # messages have been sent and are marked so
    "land.read",  # the batch has been read
    "land.staged",  # its rows are in the temporary table, or sent
    "land.offsets_swapped",  # the transaction holds the offsets
    "land.rows_inserted",  # and the rows; Snowpipe Streaming has committed the rows
    "land.committed",  # both are stored, the task has not ended
)


def reach(point: str) -> None:
    """Die or hang here, when the point is armed."""
    if folder := os.environ.get(FOLDER):
        assert point in POINTS, point
        armed = Path(folder) / point
        try:
            what = armed.read_text()
            armed.unlink()  # only one of several processes succeeds
        except FileNotFoundError:
            return
        while what == HANG:
            time.sleep(0.1)
        os.kill(os.getpid(), signal.SIGKILL)

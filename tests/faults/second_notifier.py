"""Stores alerts and sends to every channel, again and again, beside the platform's own notifier and senders."""

from __future__ import annotations

import os
import sys
import time
from collections import Counter
from datetime import UTC, datetime

from include.orchestration import connections, notifier
from include.orchestration.sender import open_sender
from include.surveillance import failpoints
from include.surveillance.broker import ALERTS, partitions_of
from include.surveillance.settings import Settings

if __name__ == "__main__":
    os.environ.pop(failpoints.FOLDER, None)
    kafka = connections.kafka()
    positions = [(ALERTS, partition) for partition in partitions_of(kafka, ALERTS)]
    until, done = time.time() + float(sys.argv[1]), Counter[str]()
    while time.time() < until:
        done.update(notifier.notify_backlog(kafka, positions))
        for name in Settings.from_env().channels():
            with open_sender(name) as sender:
                done.update(sender.send_next(datetime.now(UTC)))
        time.sleep(0.05)
    sys.stdout.write(f"the second notifier: {dict(done)}\n")

"""Detects all partitions in turn, again and again, as a second owner of the platform's transactional ids."""

from __future__ import annotations

import json
import os
import sys
import time
from collections import Counter

from include.surveillance import failpoints
from include.surveillance.broker import BARS, partitions_of
from include.surveillance.detection.parameters.book import ParameterBook
from include.surveillance.errors import BrokerError
from include.surveillance.sessions import Sessions
from include.surveillance.settings import Settings
from tests.integration.detecting import detect_partition

if __name__ == "__main__":
    os.environ.pop(failpoints.FOLDER, None)
    settings = Settings.from_env()
    kafka = json.loads(os.environ["AIRFLOW_CONN_KAFKA_DEFAULT"])["extra"]
    sessions = Sessions(settings.market_calendar, settings.market_shift_ms)
    book = ParameterBook.load(settings.parameters_file)
    until, done = time.time() + float(sys.argv[1]), Counter[str]()
    while time.time() < until:
        for partition in partitions_of(kafka, BARS):
            try:
                done["metrics"] += detect_partition(kafka, partition, sessions=sessions, book=book).metrics
            except BrokerError as error:
                done["fenced" if "taken over" in str(error) else str(error)] += 1
    sys.stdout.write(f"the second detector: {dict(done)}\n")

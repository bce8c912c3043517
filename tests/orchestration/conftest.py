import time

import pytest

from include.surveillance import broker
from include.surveillance.errors import BrokerError
from tests.airflow_home import airflow_database as airflow_database

PARTITIONS = 4


@pytest.fixture(scope="session")
def topics(kafka):
    """Kafka with our topics; partitions of a new topic have a leader only moments after their creation."""
    broker.ensure_topics(kafka, PARTITIONS)
    everything = {(spec.name, partition): None for spec in broker.TOPICS for partition in range(PARTITIONS)}
    deadline = time.monotonic() + 60
    while True:
        try:
            broker.read(kafka, everything)
            return kafka
        except BrokerError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)

"""Says how long Kafka keeps each topic, creates the topics and configures them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from confluent_kafka import KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, NewTopic, ResourceType
from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_fixed

from include.surveillance.broker.client import (
    LARGEST_MESSAGE,
    LOG,
    TIMEOUT_SECONDS,
    Kafka,
    as_broker_error,
    new_consumer,
)
from include.surveillance.errors import BrokerError, ConfigurationError
from include.surveillance.records import (
    ALERTS,
    AUDIT,
    BARS,
    BASELINES,
    DISPOSITIONS,
    METRICS,
    NEWS,
    REFERENCE,
    REJECTED,
)
from include.surveillance.settings import Settings
from include.surveillance.timespans import DAY_MS

DETECTOR_STATE = Settings.kafka_name("market.detector.state")


class TopicSpec(NamedTuple):
    """A topic and how long Kafka keeps it; a compacted one keeps the newest message of each key for ever.

    Attributes:
        whole_days: for how long a compacted one keeps every message.
    """

    name: str
    retention_days: int | None
    whole_days: int = 0

    @property
    def config(self) -> dict[str, str]:
        config = {"message.timestamp.type": "LogAppendTime", "max.message.bytes": str(LARGEST_MESSAGE)}
        if self.retention_days is None:
            # Snapshots replace each other every few seconds: small segments let the cleaner keep up.
            return config | {
                "cleanup.policy": "compact",
                "min.cleanable.dirty.ratio": "0.1",
                "segment.bytes": str(64 * 1024 * 1024),
                "segment.ms": "600000",
                "delete.retention.ms": str(max(3_600_000, self.whole_days * DAY_MS)),
                "min.compaction.lag.ms": str(self.whole_days * DAY_MS),
            }
        return config | {"cleanup.policy": "delete", "retention.ms": str(self.retention_days * DAY_MS)}


TOPICS = (
    # Profiles are built from the last 20 sessions of the log.
    TopicSpec(BARS, 35),
    TopicSpec(NEWS, 35),
    TopicSpec(REFERENCE, 30),
    TopicSpec(REJECTED, 30),
    TopicSpec(ALERTS, 30),
    TopicSpec(METRICS, 7),
    TopicSpec(DETECTOR_STATE, None),
    # The warehouse lands what is replaced, too.
    TopicSpec(BASELINES, None, whole_days=7),
    # As long as alerts are kept in the application database.
    TopicSpec(DISPOSITIONS, 400),
    TopicSpec(AUDIT, 400),
)


def ensure_topics(kafka: Kafka, partitions: int) -> list[str]:
    """Create the topics that do not exist yet and return their names.

    Raises:
        ConfigurationError: a topic exists with another number of partitions.
        BrokerError: Kafka cannot be reached or refuses.
    """
    with as_broker_error(kafka, "list topics"):
        admin = AdminClient(dict(kafka), logger=LOG)
        existing = admin.list_topics(timeout=TIMEOUT_SECONDS).topics
    for spec in TOPICS:
        if spec.name in existing and (present := len(existing[spec.name].partitions)) != partitions:
            raise ConfigurationError(
                f"topic {spec.name} has {present} partitions, KAFKA_PARTITIONS says {partitions}; a symbol would move "
                f"to another partition than its history, so set KAFKA_PARTITIONS={present} or start from empty topics"
            )
    missing = [spec for spec in TOPICS if spec.name not in existing]
    created = []
    # Replication factor -1 is the broker's default: 1 on one machine, more in production.
    new = [NewTopic(spec.name, partitions, replication_factor=-1, config=spec.config) for spec in missing]
    timeouts = {"operation_timeout": TIMEOUT_SECONDS, "request_timeout": TIMEOUT_SECONDS}
    for name, future in (admin.create_topics(new, **timeouts) if new else {}).items():
        try:
            future.result()
            created.append(name)
        except KafkaException as error:
            # Two bootstraps at the same moment are welcome to race.
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise BrokerError(f"Kafka did not create topic {name}: {error.args[0].str()}") from error
    with as_broker_error(kafka, "create topics"):
        _await_leaders(kafka, [TopicPartition(name, partition) for name in created for partition in range(partitions)])
    return created


def configure_topics(kafka: Kafka) -> list[str]:
    """Bring existing topics to what TOPICS says of them, e.g. after a new version; returns those that differed.

    What an operator has set beside that, stays.

    Raises:
        BrokerError: Kafka cannot be reached or refuses, or a topic is missing.
    """
    changes = []
    with as_broker_error(kafka, "configure topics"):
        admin = AdminClient(dict(kafka), logger=LOG)
        topics = {ConfigResource(ResourceType.TOPIC, spec.name): spec.config for spec in TOPICS}
        for topic, answer in admin.describe_configs(list(topics), request_timeout=TIMEOUT_SECONDS).items():
            present = answer.result()
            wrong = {name: value for name, value in topics[topic].items() if present[name].value != value}
            for name, value in wrong.items():
                topic.add_incremental_config(ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET))
            changes += [topic] if wrong else []
        if changes:
            for future in admin.incremental_alter_configs(changes, request_timeout=TIMEOUT_SECONDS).values():
                future.result()
    return sorted(topic.name for topic in changes)


@retry(
    retry=retry_if_exception_type(KafkaException),
    wait=wait_fixed(0.1),
    stop=stop_after_delay(TIMEOUT_SECONDS),
    reraise=True,
)
def _await_leaders(kafka: Kafka, partitions: Sequence[TopicPartition]) -> None:
    """Wait until the partitions can be read: Kafka answers a creation before."""
    with new_consumer(kafka, "bootstrap") as consumer:
        for partition in partitions:
            consumer.get_watermark_offsets(partition, timeout=TIMEOUT_SECONDS, cached=False)

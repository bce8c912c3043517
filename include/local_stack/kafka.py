"""One Apache Kafka broker in KRaft mode: its jars, its configuration, its command line."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from pathlib import Path

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from include.local_stack.errors import StackError

HERE = Path(__file__).parent
POM = HERE / "pom.xml"
CHECKSUMS = HERE / "kafka.sha256"
# Any 16 bytes in URL-safe base64 will do; one broker never meets another cluster.
CLUSTER_ID = "bG9jYWwtc3RhY2stMDAwMQ"
HEAP = "512m"
MESSAGE_MAX_BYTES = 16 * 1024 * 1024


def ensure_jars(libs: Path) -> None:
    """Copy the pinned jars into ``libs``, unless they are there from the same pom.

    Raises:
        StackError: Maven failed, and the message carries the last lines of its output; or a jar is not the known one.
    """
    stamp = libs / "pom.xml"
    if stamp.exists() and stamp.read_bytes() == POM.read_bytes():
        return
    shutil.rmtree(libs, ignore_errors=True)
    libs.mkdir(parents=True)
    maven = [
        "mvn",
        "-q",
        "-B",
        "--strict-checksums",
        "-f",
        str(POM),
        "dependency:copy-dependencies",
        f"-DoutputDirectory={libs.resolve()}",
    ]
    run = subprocess.run(maven, capture_output=True, text=True)
    if run.returncode:
        raise StackError("Maven could not fetch Kafka's jars; check the network:\n" + _tail(run.stdout + run.stderr))
    check_jars(libs)
    shutil.copyfile(POM, stamp)


def check_jars(libs: Path) -> None:
    """Compare the jars with their checksums.

    Raises:
        StackError: one has another checksum, is missing or is one too many.
    """
    lines = (line.split() for line in CHECKSUMS.read_text().splitlines())
    known = {name: checksum for checksum, name in lines}
    found = {jar.name: hashlib.sha256(jar.read_bytes()).hexdigest() for jar in libs.glob("*.jar")}
    if wrong := sorted(name for name in known.keys() | found.keys() if known.get(name) != found.get(name)):
        raise StackError(
            f"{', '.join(wrong)} in {libs} is not what {CHECKSUMS.name} says. Remove the folder and try again; after a "
            f"change of {POM.name} write the file anew: (cd {libs} && sha256sum *.jar) > {CHECKSUMS}"
        )


def command(home: Path, libs: Path) -> list[str]:
    """Return the command that runs the broker on a folder that ``prepare`` has made ready."""
    return [*_java(libs), "kafka.Kafka", str(home / "server.properties")]


def prepare(home: Path, libs: Path, port: int, controller_port: int) -> None:
    """Write the broker's configuration and format its storage, unless that was done before.

    Raises:
        StackError: the storage could not be formatted.
    """
    config = home / "server.properties"
    home.mkdir(parents=True, exist_ok=True)
    config.write_text(_properties(home / "data", port, controller_port))
    if not (home / "data" / "meta.properties").exists():
        format_storage = [*_java(libs), "kafka.tools.StorageTool", "format", "-t", CLUSTER_ID, "-c", str(config)]
        run = subprocess.run(format_storage, capture_output=True, text=True)
        if run.returncode:
            raise StackError(f"Kafka could not format {home / 'data'}:\n" + _tail(run.stdout + run.stderr))


def answers(bootstrap: str) -> bool:
    """Whether a broker answers at ``host:port``."""
    try:
        return bool(AdminClient({"bootstrap.servers": bootstrap, "log_level": 0}).list_topics(timeout=1).brokers)
    except KafkaException:
        return False


def _java(libs: Path) -> list[str]:
    return [
        "java",
        f"-Xmx{HEAP}",
        # A small broker that shares few cores: no parallel collector, no costly recompilation.
        "-XX:+UseSerialGC",
        "-XX:TieredStopAtLevel=1",
        f"-Dlog4j2.configurationFile={HERE / 'log4j2.xml'}",
        "-cp",
        f"{libs.resolve()}/*",
    ]


def _properties(data: Path, port: int, controller_port: int) -> str:
    settings = {
        "process.roles": "broker,controller",
        "node.id": 1,
        "controller.quorum.voters": f"1@127.0.0.1:{controller_port}",
        "controller.listener.names": "CONTROLLER",
        "listeners": f"PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}",
        "advertised.listeners": f"PLAINTEXT://127.0.0.1:{port}",
        "log.dirs": data.resolve(),
        "auto.create.topics.enable": "false",
        "message.max.bytes": MESSAGE_MAX_BYTES,
        "replica.fetch.max.bytes": MESSAGE_MAX_BYTES,
        # One broker holds the only copy of everything.
        "offsets.topic.replication.factor": 1,
        "transaction.state.log.replication.factor": 1,
        "transaction.state.log.min.isr": 1,
        "share.coordinator.state.topic.replication.factor": 1,
        "share.coordinator.state.topic.min.isr": 1,
        # The defaults of 50 partitions each only cost files and start-up time here.
        "offsets.topic.num.partitions": 4,
        "transaction.state.log.num.partitions": 4,
        "group.initial.rebalance.delay.ms": 0,
    }
    return "".join(f"{name}={value}\n" for name, value in settings.items())


def _tail(output: str, lines: int = 10) -> str:
    return "\n".join(output.strip().splitlines()[-lines:])

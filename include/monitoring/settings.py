"""What the exporter listens on and looks at: one environment variable each; what is not given is not looked at."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from include.surveillance.errors import ConfigurationError

HOST, PORT = "127.0.0.1", 9102


@dataclass(frozen=True)
class ExporterSettings:
    """See ``from_env``.

    Attributes:
        host, port: where Prometheus asks (TCP) and where StatsD's packets come (UDP); one number for both.
        servers: name -> the address that is asked for a sign of life.
        airflow: the api-server's health, which knows the heartbeats; empty for none.
        reader: the connection of the application's database, as Airflow writes it; empty for none.
        kafka: the connection of Kafka, likewise.
    """

    host: str = HOST
    port: int = PORT
    servers: tuple[tuple[str, str], ...] = ()
    airflow: str = ""
    reader: str = ""
    kafka: str = ""

    @classmethod
    def from_env(cls, environment: Mapping[str, str] | None = None) -> ExporterSettings:
        """Read the process environment; an empty variable counts as unset.

        Raises:
            ConfigurationError: a port is no number of a port, or an address is none.
        """
        given = os.environ if environment is None else environment

        def address(name: str) -> str:
            text = given.get(name, "").strip().rstrip("/")
            if text and not (urlsplit(text).scheme in ("http", "https") and urlsplit(text).hostname):
                raise ConfigurationError(f"{name} must begin with http:// or https://; write the whole address")
            return text

        port = given.get("EXPORTER_PORT", "").strip() or str(PORT)
        if not port.isdecimal() or not 0 < int(port) < 65536:
            raise ConfigurationError(f"EXPORTER_PORT={port} must be a number from 1 to 65535")
        airflow, execution = address("EXPORTER_AIRFLOW"), address("AIRFLOW__CORE__EXECUTION_API_SERVER_URL")
        warehouse = address("EXPORTER_WAREHOUSE")
        health = f"{airflow}/api/v2/monitor/health" if airflow else ""
        servers = {
            "api-server": health,
            "execution-api": f"{execution}/health" if execution else "",
            "warehouse": f"{warehouse}/health" if warehouse else "",
        }
        return cls(
            host=given.get("EXPORTER_HOST", "").strip() or HOST,
            port=int(port),
            servers=tuple((name, url) for name, url in servers.items() if url),
            airflow=health,
            reader=given.get("AIRFLOW_CONN_SURVEILLANCE_READER", "").strip(),
            kafka=given.get("AIRFLOW_CONN_KAFKA_DEFAULT", "").strip(),
        )

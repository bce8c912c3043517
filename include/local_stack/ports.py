"""The port of 127.0.0.1 that each component listens on, and whether it is free."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, fields

from include.local_stack.errors import StackError

HOST = "127.0.0.1"


@dataclass(frozen=True)
class Ports:
    """Ports by component; the environment variable ``NAME_PORT`` sets the field ``name``."""

    postgres: int = 5433
    redis: int = 6380
    kafka: int = 9092
    kafka_controller: int = 9093
    warehouse: int = 18821
    simulator: int = 18090
    airflow: int = 8080
    execution_api: int = 8082
    dbt_docs: int = 8081
    # UDP of StatsD, too.
    exporter: int = 9102
    prometheus: int = 9090
    alertmanager: int = 9094

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> Ports:
        """Read the ports that are set; raise StackError when a variable is not a port number."""
        given = {field.name: env[variable(field.name)] for field in fields(cls) if env.get(variable(field.name))}
        for name, value in given.items():
            if not value.isdecimal() or not 0 < int(value) < 65536:
                raise StackError(f"{variable(name)} is {value!r}; set it to a port number from 1 to 65535")
        return cls(**{name: int(value) for name, value in given.items()})

    def check_free(self, names: list[str]) -> None:
        """Raise StackError when another program or component has a port of ``names``."""
        with ExitStack() as probes:
            for name in names:
                probe = probes.enter_context(socket.socket())
                # As servers do: a connection that lingers from an earlier run is no listener.
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                port = getattr(self, name)
                try:
                    probe.bind((HOST, port))
                    probe.listen()
                except OSError as error:
                    raise StackError(
                        f"port {port} on {HOST} cannot be used by {name.replace('_', ' ')} ({error.strerror}): "
                        f"stop what listens there or set {variable(name)} to a free port"
                    ) from error


def variable(name: str) -> str:
    """Return the environment variable of a port, e.g. ``KAFKA_CONTROLLER_PORT``."""
    return f"{name.upper()}_PORT"

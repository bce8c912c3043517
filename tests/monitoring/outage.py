"""An outage of the exporter in a running stack, of which people are told, and of whose end."""

from __future__ import annotations

import time
from collections.abc import Callable

import httpx

from include.local_stack.monitoring import PROGRAMS
from include.local_stack.supervisor import Supervisor
from tests.monitoring.shipped import find_empty
from tests.sinks import HttpSink

# Nobody else needs it: it reads, and tells Prometheus.
COMPONENT, ALERT = "exporter", "ExporterDown"


def ask_targets(prometheus: str) -> dict[str, str]:
    """Return what Prometheus asks, and how it last went: up, down or unknown; nothing while it does not answer."""
    try:
        answer = httpx.get(f"{prometheus}/api/v1/targets", timeout=30).raise_for_status()
    except httpx.HTTPError:  # it has not started yet, or is gone
        return {}
    active = answer.json()["data"]["activeTargets"]
    return {target["labels"]["job"]: target["health"] for target in active}


def ask_rules(prometheus: str) -> dict[str, str]:
    """Return the rules that Prometheus could not work out, and why."""
    groups = httpx.get(f"{prometheus}/api/v1/rules", timeout=30).json()["data"]["groups"]
    return {rule["name"]: rule["lastError"] for group in groups for rule in group["rules"] if rule["health"] == "err"}


def told(sink: HttpSink, status: str) -> list[dict]:
    """Return what people were told of the outage: that it is (firing), or that it is over (resolved)."""
    alerts = [alert for message in sink.taken for alert in message.json["alerts"]]
    return [alert for alert in alerts if (alert["labels"]["alertname"], alert["status"]) == (ALERT, status)]


def watch_outage(prometheus: str, supervisor: Supervisor, sink: HttpSink, goes_on: Callable[[], bool]) -> list[str]:
    """Stop the exporter until people are told, start it anew until they are told of its end, then look at everything.

    Returns: what Prometheus has nothing of; asked again, as long as the stack goes on, until that is nothing.

    Raises:
        AssertionError: the stack ended before; or something cannot be asked or worked out.
    """

    def wait(what: str, ready: Callable[[], object]) -> None:
        while not ready():
            assert goes_on(), f"the stack ended before {what}"
            time.sleep(1)

    def all_up() -> bool:
        return ask_targets(prometheus) == dict.fromkeys(PROGRAMS, "up")

    wait("everything was asked", all_up)
    supervisor.rpc.stopProcess(COMPONENT, True)
    try:
        wait("people were told", lambda: told(sink, "firing"))
    finally:
        supervisor.launch(COMPONENT)
    wait("people were told of its end", lambda: told(sink, "resolved"))
    wait("everything was asked again", all_up)
    assert ask_rules(prometheus) == {}
    empty: list[str] = []
    while goes_on():
        try:
            empty = find_empty(prometheus)
        except httpx.TransportError:  # the stack stops
            return empty
        if not empty:
            return []
        time.sleep(5)
    return empty

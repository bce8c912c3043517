"""Monitoring in the local stack: the exporter, Prometheus and its Alertmanager, unless MONITORING=0 leaves them out."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import yaml

from include.local_stack import health
from include.local_stack.components import AIRFLOW_SECONDS, WATCH, Component
from include.local_stack.credentials import write_secret
from include.local_stack.errors import StackError
from include.local_stack.ports import HOST, Ports
from include.local_stack.prerequisites import alertmanager_program

DEPLOY = Path(__file__).resolve().parents[1] / "deploy" / "monitoring"
PROGRAMS = ("exporter", "prometheus", "alertmanager")
# An error budget is of thirty days.
KEEP = ("--storage.tsdb.retention.time=31d", "--storage.tsdb.retention.size=1GB")
WEBHOOK = "MONITORING_WEBHOOK_URL"


def is_wanted(user: Mapping[str, str]) -> bool:
    """Whether the user wants it, who says 0 or 1; it is wanted unless said.

    Raises:
        StackError: he says something else.
    """
    said = user.get("MONITORING", "").strip()
    if said not in ("", "0", "1"):
        raise StackError(f"MONITORING is {said!r}; set it to 1, or to 0 to leave Prometheus and its Alertmanager out")
    return said != "0"


def environment(ports: Ports, user: Mapping[str, str]) -> dict[str, str]:
    """Return what makes Airflow send its statistics, what the exporter looks at, and whom the page asks."""
    own = f"http://{HOST}:{ports.prometheus}" if is_wanted(user) else ""
    return {
        "AIRFLOW__METRICS__STATSD_ON": str(is_wanted(user)),
        "AIRFLOW__METRICS__STATSD_HOST": HOST,
        "AIRFLOW__METRICS__STATSD_PORT": str(ports.exporter),
        "EXPORTER_HOST": HOST,
        "EXPORTER_PORT": str(ports.exporter),
        "EXPORTER_AIRFLOW": f"http://{HOST}:{ports.airflow}",
        "EXPORTER_WAREHOUSE": f"https://{HOST}:{ports.warehouse}",
        "PROMETHEUS_URL": user.get("PROMETHEUS_URL") or own,
    }


def components(state: Path, ports: Ports, given: Mapping[str, str]) -> list[Component]:
    """Its programs, which watch all the others: they start last and stop first. None where they are not wanted."""
    if not is_wanted(given):
        return []
    folder = state / "monitoring"
    addresses = {name: f"http://{HOST}:{getattr(ports, name)}" for name in PROGRAMS}

    def component(name: str, command: list[str], path: str, prepare: partial[None]) -> Component:
        url = f"{addresses[name]}{path}"
        return Component(
            name,
            command,
            lambda _: health.http(url),
            f"answer at {url}",
            WATCH,
            address=addresses[name] if name != "exporter" else "",
            prepare=prepare,
            limit_seconds=AIRFLOW_SECONDS,
        )

    prometheus = [
        "prometheus",
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        *KEEP,
        f"--web.listen-address={HOST}:{ports.prometheus}",
        "--log.level=warn",
    ]
    alertmanager = [
        alertmanager_program() or "alertmanager",
        f"--config.file={folder / 'alertmanager.yml'}",
        f"--storage.path={folder / 'alertmanager'}",
        f"--web.listen-address={HOST}:{ports.alertmanager}",
        # One of its kind: there is nobody to agree with.
        "--cluster.listen-address=",
        "--log.level=warn",
    ]
    nothing = partial(folder.mkdir, parents=True, exist_ok=True)
    return [
        component("exporter", ["nice", "-n", "5", sys.executable, "-m", "include.monitoring"], "/metrics", nothing),
        component(
            "alertmanager", alertmanager, "/-/ready", partial(write_alertmanager, folder, given.get(WEBHOOK, ""))
        ),
        component("prometheus", prometheus, "/-/ready", partial(write_prometheus, folder, ports)),
    ]


def write_prometheus(folder: Path, ports: Ports) -> None:
    """Write Prometheus' configuration and rules as they are shipped, with the addresses of this machine."""
    (folder / "targets").mkdir(parents=True, exist_ok=True)
    for name in ("prometheus.yml", "rules.yml"):
        shutil.copyfile(DEPLOY / name, folder / name)
    for name in PROGRAMS:
        target = [{"targets": [f"{HOST}:{getattr(ports, name)}"]}]
        (folder / "targets" / f"{name}.yml").write_text(yaml.safe_dump(target))


def write_alertmanager(folder: Path, webhook: str) -> None:
    """Write Alertmanager's configuration as it is shipped, with the address that is told; without one it tells nobody.

    Raises:
        StackError: the address is none.
    """
    if webhook and not webhook.startswith(("http://", "https://")):
        # Without its value: it may be a secret.
        raise StackError(f"{WEBHOOK} must begin with https:// or http://; write the whole address")
    folder.mkdir(parents=True, exist_ok=True)
    shipped = yaml.safe_load((DEPLOY / "alertmanager.yml").read_text())
    (receiver,) = shipped["receivers"]
    (hook,) = receiver.pop("webhook_configs")
    if webhook:
        receiver["webhook_configs"] = [hook | {"url": webhook}]
    write_secret(folder / "alertmanager.yml", yaml.safe_dump(shipped, sort_keys=False))

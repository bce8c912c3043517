"""The exporter: ``python -m include.monitoring`` measures, and answers Prometheus, until it is stopped."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from pathlib import Path

import yaml
from prometheus_client import CollectorRegistry, ProcessCollector, disable_created_metrics, start_http_server

from include.connection_texts import read_kafka
from include.monitoring.application import Application
from include.monitoring.bridge import Bridge, listen
from include.monitoring.catalogue import Catalogue
from include.monitoring.hours import Hours
from include.monitoring.log import Log, make_progress
from include.monitoring.look import Look, repeat
from include.monitoring.servers import Server
from include.monitoring.settings import ExporterSettings
from include.surveillance.errors import ConfigurationError
from include.surveillance.settings import Settings

LOG = logging.getLogger("exporter")
# Of a parameters file that does not say it.
DEFAULT_BUDGET = 0.1


def make_looks(settings: ExporterSettings, catalogue: Catalogue) -> list[Look]:
    """Make a look for everything of which the address is known."""
    looks: list[Look] = [Hours(catalogue)]
    looks += [Server(name, url, catalogue, heartbeats=url == settings.airflow) for name, url in settings.servers]
    if settings.reader:
        looks.append(Application(settings.reader, catalogue))
    if settings.kafka:
        kafka = read_kafka(settings.kafka)
        looks += [Log(kafka, catalogue), *make_progress(kafka, catalogue)]
    return looks


def read_budget(file: Path) -> float:
    """Read the budget of a parameters file, in alerts per symbol and session."""
    base = (yaml.safe_load(file.read_text()) or {}).get("base") or {}
    return float((base.get("budget") or {}).get("alerts_per_symbol_session", DEFAULT_BUDGET))


def main() -> int:
    logging.basicConfig(
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
        datefmt="%Y-%m-%d %H:%M:%S",
        level=logging.INFO,
        stream=sys.stderr,
    )
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    try:
        settings, platform = ExporterSettings.from_env(), Settings.from_env()
    except ConfigurationError as error:
        LOG.error("%s", error)
        return 1
    disable_created_metrics()
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    catalogue = Catalogue(registry)
    catalogue.budget.set(read_budget(platform.parameters_file))
    listen(Bridge(registry, catalogue.dropped), settings.host, settings.port)
    start_http_server(settings.port, settings.host, registry)
    looks = make_looks(settings, catalogue)
    for look in looks:
        threading.Thread(target=repeat, args=(look, catalogue, stop), name=look.part, daemon=True).start()
    LOG.info("looks at %s; answers on %s:%d", ", ".join(it.part for it in looks), settings.host, settings.port)
    stop.wait()
    # A look that hangs must not keep the process.
    logging.shutdown()
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main())

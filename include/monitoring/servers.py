"""Asks servers for a sign of life, and the api-server for the heartbeats of Airflow's components."""

from __future__ import annotations

import time
from datetime import datetime

import requests

from include.monitoring.catalogue import Catalogue
from include.monitoring.look import Look
from include.surveillance.errors import SurveillanceError

TIMEOUT_SECONDS = 10.0
# What the health of the api-server calls a component -> the component.
HEARTBEATS = {"scheduler": "scheduler", "triggerer": "triggerer", "dag_processor": "dag-processor"}


class Server(Look):
    """Asks one address.

    Args:
        heartbeats: whether the answer is Airflow's, with the heartbeats.
    """

    every = 10.0

    def __init__(self, name: str, url: str, catalogue: Catalogue, *, heartbeats: bool = False):
        self.part, self._url, self._catalogue, self._heartbeats = name, url, catalogue, heartbeats
        self._session = requests.Session()
        for outcome in ("ok", "failed"):
            catalogue.probes.labels(name, outcome)

    def look(self, now: float) -> None:
        begun = time.monotonic()
        try:
            answer = self._session.get(self._url, timeout=TIMEOUT_SECONDS, allow_redirects=False)
            if answer.status_code >= 400:
                raise SurveillanceError(f"{self.part} answers {answer.status_code}")
        except (OSError, ValueError, SurveillanceError) as error:
            self._catalogue.probes.labels(self.part, "failed").inc()
            raise SurveillanceError(f"{self.part} does not answer: {type(error).__name__}") from None
        self._catalogue.probes.labels(self.part, "ok").inc()
        self._catalogue.probe_duration.labels(self.part).observe(time.monotonic() - begun)
        if self._heartbeats:
            health = answer.json()
            for key, component in HEARTBEATS.items():
                if newest := (health.get(key) or {}).get(f"latest_{key}_heartbeat"):
                    moment = datetime.fromisoformat(newest).timestamp()
                    self._catalogue.heartbeat.labels(component).set(moment)

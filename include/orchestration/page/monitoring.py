"""Routes of the monitoring: the panels of the dashboards that Grafana has, asked of Prometheus, on the page itself."""

from __future__ import annotations

import json
import re
from functools import cache
from time import time
from typing import Annotated, Any, Literal

import httpx
from fastapi import APIRouter, HTTPException, Path, Query
from pydantic import BaseModel, Field

from include.surveillance.settings import ROOT, Settings

FOLDER = ROOT / "include" / "deploy" / "monitoring" / "grafana" / "dashboards"
TIMEOUT_SECONDS = 10
# As many points as a panel has room for, and more lines than anybody tells apart.
POINTS, MOST_LINES = 240, 20
SHORTEST_STEP_SECONDS = 15
LABEL = re.compile(r"\{\{\s*(\w+)\s*\}\}")

Name = Annotated[str, Path(pattern=r"^[a-z]{1,40}$", description="of a dashboard")]
Minutes = Annotated[int, Query(ge=5, le=44_640, description="how far back")]


class DashboardName(BaseModel):
    """A dashboard."""

    name: str
    title: str


class DashboardNames(BaseModel):
    """What there is to show."""

    dashboards: list[DashboardName]


class Line(BaseModel):
    """One series of Prometheus."""

    title: str
    points: list[tuple[float, float]] = Field(description="UTC epoch seconds and value, the oldest first")


class Panel(BaseModel):
    """One panel, as wide as Grafana shows it."""

    title: str
    form: Literal["stat", "timeseries"]
    unit: str = Field(description="as Grafana names it: s, bytes, percentunit, ops, reqps or short")
    limits: list[float] = Field(description="from where it is worth a look, and from where it is wrong")
    lines: list[Line]
    more: int = Field(description="lines that are not shown")


class DashboardAnswer(BaseModel):
    """A dashboard with what its panels show."""

    title: str
    minutes: int
    panels: list[Panel]


monitoring = APIRouter(prefix="/monitoring", tags=["monitoring"])


@monitoring.get("", response_model=DashboardNames)
def dashboards() -> dict[str, Any]:
    """The dashboards that are shipped."""
    return {"dashboards": [{"name": name, "title": it["title"]} for name, it in _read_shipped().items()]}


@monitoring.get("/{name}", response_model=DashboardAnswer)
def dashboard(name: Name, minutes: Minutes = 60) -> dict[str, Any]:
    """What the panels of a dashboard show of the last minutes."""
    if (shipped := _read_shipped().get(name)) is None:
        raise HTTPException(404, f"there is no dashboard {name}; there are {', '.join(_read_shipped())}")
    address = Settings.from_env().prometheus_url
    if not address:
        raise HTTPException(
            503, "nothing is measured, PROMETHEUS_URL is empty: start the stack without MONITORING=0, or name yours"
        )
    end, step = time(), max(SHORTEST_STEP_SECONDS, minutes * 60 // POINTS)
    during = {"start": end - minutes * 60, "end": end, "step": step}
    with httpx.Client(base_url=address, timeout=TIMEOUT_SECONDS) as client:
        panels = [_answer(client, panel, during) for panel in shipped["panels"]]
    return {"title": shipped["title"], "minutes": minutes, "panels": panels}


@cache
def _read_shipped() -> dict[str, dict[str, Any]]:
    return {path.stem: json.loads(path.read_text()) for path in sorted(FOLDER.glob("*.json"))}


def _answer(client: httpx.Client, panel: dict[str, Any], during: dict[str, float]) -> dict[str, Any]:
    defaults = panel["fieldConfig"]["defaults"]
    steps = defaults.get("thresholds", {}).get("steps", ())
    lines = [line for target in panel["targets"] for line in _ask(client, target, during)]
    return {
        "title": panel["title"],
        "form": panel["type"],
        "unit": defaults["unit"],
        "limits": [step["value"] for step in steps if step["value"] is not None],
        "lines": lines[:MOST_LINES],
        "more": max(0, len(lines) - MOST_LINES),
    }


def _ask(client: httpx.Client, target: dict[str, Any], during: dict[str, float]) -> list[dict[str, Any]]:
    """Ask for the series of one expression; what Prometheus cannot say is an error, not an empty panel.

    Raises:
        HTTPException: 503, with Prometheus' words or why it was not reached.
    """
    try:
        answer = client.get("/api/v1/query_range", params={"query": target["expr"], **during})
        said = answer.json()
    except (httpx.HTTPError, ValueError) as error:
        raise HTTPException(
            503,
            f"no Prometheus answers at PROMETHEUS_URL ({type(error).__name__}): start monitoring, or correct it",
        ) from None
    if said.get("status") != "success":
        raise HTTPException(503, f"Prometheus refuses a query: {str(said.get('error'))[:200]}")
    return [
        {"title": write_title(target["legendFormat"], series["metric"]), "points": _list_points(series["values"])}
        for series in said["data"]["result"]
    ]


def write_title(pattern: str, labels: dict[str, str]) -> str:
    """Write the name of a line as Grafana does: ``{{label}}`` stands for what the label says."""
    return LABEL.sub(lambda found: labels.get(found[1], ""), pattern).strip()


def _list_points(values: list[list[Any]]) -> list[tuple[float, float]]:
    # NaN and the infinities are no JSON: a ratio of nothing.
    points = ((float(at), float(value)) for at, value in values)
    return [(at, value) for at, value in points if abs(value) < float("inf")]

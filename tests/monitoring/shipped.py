"""What include/deploy/monitoring ships: rules, dashboards, and every expression in them."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
import yaml

from tests.paths import ROOT

DEPLOY = ROOT / "include" / "deploy" / "monitoring"
DASHBOARDS = sorted((DEPLOY / "grafana" / "dashboards").glob("*.json"))


def program(*names: str) -> str:
    """The path of the first of these programs that is installed; skips the test where none is."""
    if not (path := next(filter(None, map(shutil.which, names)), None)):
        pytest.skip(f"{names[0]} is not installed: python -m include.local_stack install")
    return path


def rules() -> list[dict]:
    groups = yaml.safe_load((DEPLOY / "rules.yml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def panels(dashboard: Path) -> list[dict]:
    return json.loads(dashboard.read_text())["panels"]


def expressions() -> dict[str, str]:
    """Where it stands -> the expression, of every panel, of every rule and of the page."""
    shown = {
        f"{path.stem}: {panel['title']}: {target['refId']}": target["expr"]
        for path in DASHBOARDS
        for panel in panels(path)
        for target in panel["targets"]
    }
    page = (ROOT / "docs" / "operate" / "monitoring.md").read_text()
    lines = re.findall(r"^```promql\n(.*?)^```", page, flags=re.DOTALL | re.MULTILINE)[0].splitlines()
    shown |= {f"page {at}": line for at, line in enumerate(lines) if not line.startswith("#")}
    named = {f"rule {at}: {rule.get('alert') or rule['record']}": rule["expr"] for at, rule in enumerate(rules())}
    return shown | named


def metric_names(expression: str) -> set[str]:
    """The names of metrics in an expression."""
    bare = re.sub(r'\{[^}]*\}|"[^"]*"|\b(by|on|group_left|group_right|without)\s*\([^)]*\)', " ", expression)
    return set(re.findall(r"\b(?:surveillance|airflow|process|slo)[_:][a-z0-9_:]+", bare))

"""Rules and dashboards parse, are about metrics that exist, fire as meant, and each alert has a page of what to do."""

from __future__ import annotations

import re
import subprocess

import pytest
import yaml
from prometheus_client import CollectorRegistry, Counter, Histogram

from include.monitoring.catalogue import Catalogue
from include.monitoring.stats import STATS
from tests.monitoring.shipped import DASHBOARDS, DEPLOY, expressions, metric_names, panels, program, rules
from tests.paths import ROOT

PAGE = ROOT / "docs" / "operate" / "monitoring.md"
ALERTS = [rule for rule in rules() if "alert" in rule]


def known_names() -> set[str]:
    catalogue = Catalogue(CollectorRegistry())
    names = {rule["record"] for rule in rules() if "record" in rule}
    names |= {"process_cpu_seconds_total", "process_resident_memory_bytes"}
    for metric in catalogue.all:
        name = f"{metric._name}_total" if isinstance(metric, Counter) else metric._name
        names |= {f"{name}_{part}" for part in ("bucket", "sum", "count")} if isinstance(metric, Histogram) else {name}
    for stat in STATS:
        names |= (
            {f"{stat.metric}_{part}" for part in ("bucket", "sum", "count")} if stat.kind == "ms" else {stat.metric}
        )
    return names


def promtool(*arguments: object) -> None:
    run = subprocess.run([program("promtool"), *map(str, arguments)], capture_output=True, text=True, cwd=ROOT)
    assert run.returncode == 0, run.stdout + run.stderr


def test_promtool_accepts_configuration_and_rules():
    promtool("check", "config", DEPLOY / "prometheus.yml")
    promtool("check", "rules", "--lint-fatal", DEPLOY / "rules.yml")


def test_alerts_fire_when_something_is_broken_and_not_in_a_quiet_market():
    promtool("test", "rules", ROOT / "tests" / "monitoring" / "rules_test.yml")


def test_amtool_accepts_whom_it_tells():
    run = subprocess.run(
        [program("amtool"), "check-config", DEPLOY / "alertmanager.yml"], capture_output=True, text=True
    )
    assert run.returncode == 0, run.stdout + run.stderr


def test_every_expression_of_panels_and_rules_parses(tmp_path):
    found = expressions()
    assert len(found) > 60
    wrapped = [{"record": "parsed", "expr": text, "labels": {"of": str(at)}} for at, text in enumerate(found.values())]
    file = tmp_path / "panels.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": wrapped}]}))
    promtool("check", "rules", file)


@pytest.mark.parametrize(("where", "expression"), expressions().items(), ids=expressions().keys())
def test_every_expression_is_about_metrics_that_exist(where, expression):
    assert metric_names(expression) <= known_names(), where


def test_an_objective_has_both_halves_and_a_target():
    recorded = {
        name: {r["labels"]["slo"] for r in rules() if r.get("record") == f"slo:{name}"}
        for name in ("valid", "bad", "objective")
    }
    assert recorded["valid"] == recorded["bad"] == recorded["objective"]
    assert len(recorded["valid"]) == 5


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert["alert"])
def test_an_alert_names_the_section_of_the_docs_that_says_what_to_do(alert):
    page, _, anchor = alert["annotations"]["runbook"].partition("#")
    assert ROOT / page == PAGE
    assert anchor == alert["alert"].lower()
    sections = dict(re.findall(r"^### (\w+)\n(.*?)(?=^##|\Z)", PAGE.read_text(), flags=re.MULTILINE | re.DOTALL))
    section = sections[alert["alert"]]
    for question in ("**Means**", "**See**", "**Do**", "**Time**"):
        assert question in section, f"{alert['alert']} lacks {question}"
    assert alert["labels"]["severity"] in ("page", "ticket")


def test_the_page_has_no_section_of_an_alert_that_is_gone():
    part = PAGE.read_text().partition("## Alerts")[2].partition("\n## ")[0]
    assert set(re.findall(r"^### (\w+)", part, flags=re.MULTILINE)) == {alert["alert"] for alert in ALERTS}


@pytest.mark.parametrize("dashboard", DASHBOARDS, ids=lambda path: path.stem)
def test_a_dashboard_asks_the_source_that_is_provisioned(dashboard):
    (source,) = yaml.safe_load((DEPLOY / "grafana" / "datasource.yml").read_text())["datasources"]
    assert {panel["datasource"]["uid"] for panel in panels(dashboard)} == {source["uid"]}
    assert len({panel["id"] for panel in panels(dashboard)}) == len(panels(dashboard))


def test_panels_do_not_lie_over_each_other():
    for dashboard in DASHBOARDS:
        cells = [
            (x, y)
            for panel in panels(dashboard)
            for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
            for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
        ]
        assert len(cells) == len(set(cells)), dashboard.name
        assert all(x < 24 for x, _ in cells)

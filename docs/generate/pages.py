"""Which pages are written, and which parts of the others."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

from docs.generate import checks, dags, layers, monitoring, records, rules, settings
from docs.generate.markdown import filled
from include.local_stack.initialisation import manifest_is_old, parse_dbt
from tests.paths import ROOT

DOCS = ROOT / "docs"
PARTS: dict[str, Callable[[], str]] = {
    "rules": rules.index,
    "shared parameters": rules.shared_parameters,
    "dags": dags.dag_table,
    "each dag": dags.dag_sections,
    "dags that fail": dags.failure_sections,
    "flow": dags.flow,
    "settings": settings.setting_table,
    "settings of the watchdog": settings.watchdog_table,
    "metrics of the platform": monitoring.metric_table,
    "metrics of airflow": monitoring.airflow_table,
    "topics": records.topic_table,
    "fields of all records": records.shared_fields,
    "each record": records.record_sections,
    "layers": layers.layer_table,
    "contracts": layers.contract_list,
    **{f"check {name}": partial(checks.check, name) for name in checks.CHECKS},
}
"""What writes the part of a page between ``<!-- begin NAME -->`` and ``<!-- end NAME -->``."""


def make_manifest(home: Path) -> None:
    """Parse the dbt project where that has not been done: ``build_marts`` is drawn from its manifest."""
    if manifest_is_old():
        names = ("ACCOUNT", "USER", "PASSWORD", "WAREHOUSE", "ROLE")
        parse_dbt(os.environ | {f"SNOWFLAKE_{name}": "unused" for name in names}, home / "dbt-parse.log")


def generated() -> dict[Path, str]:
    """Every page that holds something generated, as it is to be."""
    pages = {DOCS / "rules" / f"{name}.md": rules.page(name) for name in rules.RULES}
    for path in [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]:
        if "<!-- begin " in (page := path.read_text()):
            pages[path] = filled(page, PARTS)
    return pages


def stale() -> dict[str, str]:
    """Name -> text of each page that is not as it is to be."""
    wrong = {path: text for path, text in generated().items() if not path.exists() or path.read_text() != text}
    return {path.relative_to(ROOT).as_posix(): text for path, text in wrong.items()}

"""
# compare_parameters

What if: two sets of parameters over the same bars of the log. Started by hand with the form. The report counts the
alerts of each per rule and lists what only one of them raises. The task's button *Report* opens it. The same in a
shell, on files: `.venv/bin/python -m include.surveillance whatif`.

**In**: `polygon.bars.raw`, splits and dividends of `market.baselines`. **Out**: a folder of `REPORTS_FOLDER`.

**When it fails**: *parameters ... cannot be read* or *... is not allowed*: the message names the entry and what is
allowed. *The log has no bar*: it keeps 35 days.
"""

from datetime import timedelta

from airflow.sdk import DAG

from include.orchestration import forms
from include.orchestration.dag_defaults import Tag, dag_defaults
from include.orchestration.studies import BARS_OF_THE_LOG, CompareOperator

YAML = f"{forms.PARAMETERS}; empty: the parameters in force"

with DAG(
    "compare_parameters",
    schedule=None,
    max_active_runs=1,
    tags=[Tag.DETECT, Tag.TIER_2],
    params={
        **BARS_OF_THE_LOG,
        "a": forms.yaml_param("Parameters A", YAML),
        "b": forms.yaml_param("Parameters B", YAML),
    },
    doc_md=__doc__,
    **dag_defaults(deadline=timedelta(hours=2), retries=1),
):
    CompareOperator(task_id="compare")

"""
# backtest_rules

What came after the alerts that one or two sets of parameters would have raised over the bars of the log: abnormal
returns and volume up to the next close, by rule, tag and rarity, against calm bars of the same symbols and times of
day. Started by hand with the form. The task's button *Report* opens the report. The same in a shell, on files:
`.venv/bin/python -m include.surveillance backtest`.

**In**: `polygon.bars.raw`, splits and dividends of `market.baselines`. **Out**: a folder of `REPORTS_FOLDER`.

**When it fails**: *parameters ... cannot be read* or *... is not allowed*: the message names the entry and what is
allowed. *The log has no bar*: it keeps 35 days.
"""

from datetime import timedelta

from airflow.sdk import DAG, Param

from include.orchestration import forms
from include.orchestration.dag_defaults import Tag, dag_defaults
from include.orchestration.studies import BARS_OF_THE_LOG, BacktestOperator

with DAG(
    "backtest_rules",
    schedule=None,
    max_active_runs=1,
    tags=[Tag.DETECT, Tag.TIER_2],
    params={
        **BARS_OF_THE_LOG,
        "a": forms.yaml_param("Parameters A", f"{forms.PARAMETERS}; empty: the parameters in force"),
        "b": forms.yaml_param("Parameters B", f"{forms.PARAMETERS}; empty: A alone"),
        "matches": Param(
            5,
            type="integer",
            minimum=1,
            maximum=100,
            title="Calm bars",
            description="That each alert is compared with",
        ),
    },
    doc_md=__doc__,
    **dag_defaults(deadline=timedelta(hours=2), retries=1),
):
    BacktestOperator(task_id="backtest")

"""
# calibrate_rules

Finds, for each rule and liquidity bucket, the threshold that raises no more alerts than the budget, from the bars of
the log. Started by hand with the form. The report has the curves, the chosen points and a proposal of parameters;
nothing uses the proposal before it is in the file that `PARAMETERS_FILE` names. The task's button *Report* opens the
report. The same in a shell, on files: `.venv/bin/python -m include.surveillance calibrate`.

**In**: `polygon.bars.raw`, splits and dividends of `market.baselines`. **Out**: a folder of `REPORTS_FOLDER`.

**When it fails**: *no bar can be calibrated*: robust rules need a full session before the first bar that counts,
choose an earlier *From* or the literal rules. *The log has no bar*: it keeps 35 days.
"""

from datetime import timedelta

from airflow.sdk import DAG, Param

from include.orchestration.dag_defaults import Tag, dag_defaults
from include.orchestration.studies import BARS_OF_THE_LOG, CalibrateOperator

with DAG(
    "calibrate_rules",
    schedule=None,
    max_active_runs=1,
    tags=[Tag.DETECT, Tag.TIER_2],
    params={
        **BARS_OF_THE_LOG,
        "rules": Param("robust", type="string", enum=["robust", "literal"], title="Form of the rules"),
        "budget": Param(
            0.5,
            type="number",
            exclusiveMinimum=0,
            title="Budget",
            description="Alerts of one rule per symbol and day",
        ),
    },
    doc_md=__doc__,
    **dag_defaults(deadline=timedelta(hours=2), retries=1),
):
    CalibrateOperator(task_id="calibrate")

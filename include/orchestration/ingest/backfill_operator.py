"""The operator that backfills: some symbols over the whole range of the run's form."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from include.orchestration import connections, forms
from include.orchestration.ingest import backfill

if TYPE_CHECKING:
    from airflow.sdk import Context


class BackfillOperator(BaseOperator):
    """Brings the bars of some symbols, oldest first; returns records per topic. Mapped over ``backfill.plan_tasks``.

    Its arguments come from a form, so none of them is a template.

    Args:
        name: what the task is called in the UI.
        symbols: whose bars.
    """

    template_fields: Sequence[str] = ()

    def __init__(self, *, name: str, symbols: list[str], **kwargs: Any):
        super().__init__(**kwargs)
        self.name, self.symbols = name, symbols

    def execute(self, context: Context) -> dict[str, int]:
        from include.surveillance.broker import Publisher  # Kafka's client: too heavy for whoever parses the DAG

        params = context["params"]
        span = forms.read_range(params, context["dag_run"].run_after)
        with Publisher(connections.kafka()) as publisher:
            if address := params.get("files"):
                files = connections.flat_files(address)
                return backfill.publish_files(files, publisher, self.symbols, params["timespan"], *span)
            polygon = connections.polygon(connections.PATIENT_SECONDS)
            spans = backfill.cut_range(*span, params["chunk_days"])
            return backfill.poll_spans(polygon, publisher, self.symbols, params["timespan"], spans)

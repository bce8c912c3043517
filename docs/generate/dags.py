"""The DAGs as Airflow sees them: schedule, queue, pool, deadline, tasks, form, and what their docstrings say."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable
from datetime import timedelta
from functools import cache
from typing import Any

from docs.generate.markdown import first_sentence, table
from include.surveillance.broker.topics import TOPICS
from include.surveillance.warehouse.rows import KINDS
from tests.paths import ROOT

STAGES = ("ingest", "detect", "notify", "land", "model", "backfill", "quality", "platform")
CARRIERS = (*(spec.name for spec in TOPICS), "RAW", "STAGING", "ANALYTICS")


@cache
def dags() -> dict[str, Any]:
    """Every DAG of the folder ``dags``, in the order of the stages.

    Raises:
        ImportError: a file cannot be loaded.
    """
    from airflow.dag_processing.dagbag import DagBag

    bag = DagBag(dag_folder=str(ROOT / "dags"))
    if bag.import_errors:
        raise ImportError(str(bag.import_errors))
    return dict(sorted(bag.dags.items(), key=lambda item: (STAGES.index(_stage(item[1])), item[0])))


def dag_table() -> str:
    """One row per DAG."""
    rows = []
    for dag_id, dag in dags().items():
        (deadline,) = dag.deadline
        rows.append(
            (
                f"[`{dag_id}`](#{dag_id})",
                _stage(dag),
                next(tag.removeprefix("tier_") for tag in dag.tags if tag.startswith("tier_")),
                _schedule(dag),
                ", ".join(_distinct(task.queue for task in _own(dag))),
                ", ".join(_distinct(task.pool.removesuffix("_pool") for task in _own(dag))),
                _duration(deadline.interval),
            )
        )
    return table(("DAG", "stage", "tier", "schedule", "queue", "pool", "deadline"), rows)


def dag_sections() -> str:
    """One section per DAG: its docstring, its form and its tasks."""
    parts = []
    for dag_id, dag in dags().items():
        about = _about(dag)
        lines = [f"## {dag_id}", about["text"], *_in_and_out(about)]
        if form := _form(dag):
            lines += ["Form:", form]
        lines += [f"Tasks: {_tasks(dag)}.", f"[When it fails](when-it-fails.md#{dag_id})."]
        parts.append("\n\n".join(lines))
    return "\n\n".join(parts)


def failure_sections() -> str:
    """What to do about each DAG, one section each."""
    said = {dag_id: _about(dag)["When it fails"] for dag_id, dag in dags().items()}
    return "\n\n".join(f"### {dag_id}\n\n{text[0].upper()}{text[1:]}" for dag_id, text in said.items())


def flow() -> str:
    """Which DAG reads and writes which topic and schema, as a picture."""
    lines = ["```mermaid", "flowchart LR", "    vendor([Polygon.io])", "    people([Slack, webhook, page])"]
    lines += [f"    {_node(name)}[({name})]" for name in CARRIERS]
    for dag_id, dag in dags().items():
        about = _about(dag)
        sources, targets = (_carriers(about.get(side, "")) for side in ("In", "Out"))
        if dag_id == "land_raw":
            sources, targets = list(KINDS), ["RAW"]
        if not sources and not targets:
            continue
        lines.append(f"    {dag_id}[{dag_id}]")
        lines += [f"    vendor --> {dag_id}"] * ("Polygon" in about.get("In", ""))
        lines += [f"    {_node(name)} --> {dag_id}" for name in sources]
        lines += [f"    {dag_id} --> {_node(name)}" for name in targets]
        lines += [f"    {dag_id} --> people"] * ("messages" in about.get("Out", ""))
    return "\n".join([*lines, "```"])


def _about(dag: Any) -> dict[str, str]:
    """The docstring's text under ``text``, and its parts In, Out and When it fails under their names."""
    text = inspect.cleandoc(dag.doc_md or "").removeprefix(f"# {dag.dag_id}").strip()
    parts = re.split(r"\*\*(In|Out|When it fails)\*\*: ", text)
    return {"text": parts[0].strip()} | {
        name: said.strip() for name, said in zip(parts[1::2], parts[2::2], strict=True)
    }


def _in_and_out(about: dict[str, str]) -> list[str]:
    return [f"**{side}**: {about[side]}" for side in ("In", "Out") if side in about]


def _carriers(text: str) -> list[str]:
    """The topics and schemas that a text names between backticks."""
    return [name for name in CARRIERS if re.search(rf"`{re.escape(name)}[.`]", text)]


def _node(name: str) -> str:
    return name.replace(".", "_")


def _form(dag: Any) -> str:
    rows = []
    for name in dag.params:
        param = dag.params.get_param(name)
        allowed = ", ".join(f"`{one}`" for one in param.schema.get("enum", []))
        default = f"`{param.value}`" if isinstance(param.value, bool | int | float | str) and param.value != "" else ""
        rows.append((f"`{name}`", param.schema.get("title", ""), default, param.description or allowed))
    return table(("field", "title", "default", "meaning"), rows) if rows else ""


def _tasks(dag: Any) -> str:
    said = []
    for task in _own(dag):
        does = first_sentence(getattr(getattr(task, "python_callable", None), "__doc__", None))
        said.append(f"`{task.task_id}`" + (f" ({does[0].lower()}{does[1:]})" if does else ""))
    groups = _distinct(task.task_id.partition(".")[0] for task in dag.tasks if "." in task.task_id)
    return "; ".join([*said, *(f"`{group}.*`, one per node" for group in groups)])


def _own(dag: Any) -> list[Any]:
    """Its tasks in their order, those of task groups left out."""
    return [task for task in dag.topological_sort() if "." not in task.task_id]


def _stage(dag: Any) -> str:
    return str(next(tag for tag in dag.tags if not tag.startswith("tier_")))


def _schedule(dag: Any) -> str:
    from airflow.serialization.encoders import coerce_to_core_timetable

    if dag.schedule is None:
        return "by hand"
    if isinstance(dag.schedule, timedelta):
        return f"every {_duration(dag.schedule)}"
    if isinstance(dag.schedule, str):
        return f"`{dag.schedule}` UTC"
    timed = getattr(dag.schedule, "timetable", None)
    description = (timed or coerce_to_core_timetable(dag.timetable)).description
    text = re.sub(r"(\d+) s\b", lambda match: _duration(timedelta(seconds=int(match[1]))), description)
    names = [asset.name for asset in dag.schedule.asset_condition.objects] if timed else []
    return f"{text[0].lower()}{text[1:]}{''.join(f', and after `{name}`' for name in names)}"


def _duration(span: timedelta) -> str:
    minutes = span.total_seconds() / 60
    return f"{minutes / 60:g} h" if minutes >= 60 else f"{minutes:g} min"


def _distinct(names: Iterable[Any]) -> list[str]:
    return list(dict.fromkeys(map(str, names)))

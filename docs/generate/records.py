"""Topics and the records that travel on them, from ``TOPICS`` and the records' own source."""

from __future__ import annotations

import ast
import inspect
from typing import get_args

from docs.generate.markdown import code, first_sentence, table
from include.surveillance import broker
from include.surveillance.broker.topics import TOPICS
from include.surveillance.records import AnyRecord, Record
from include.surveillance.warehouse.rows import LANDED

KEYS = {
    broker.AUDIT: "symbol of the alert, else `event_id`; all in partition 0",
    broker.BASELINES: "`event_id` of the record",
    broker.DETECTOR_STATE: "number of the partition, for a shard with its name",
}


def kinds() -> list[type[Record]]:
    """The records, in the order of their one list."""
    return list(get_args(AnyRecord))


def topic_table() -> str:
    """One row per topic."""
    rows = []
    for spec in TOPICS:
        held = [kind for kind in kinds() if kind.topic == spec.name]
        kept = (
            "the newest message of each key, for ever" if spec.retention_days is None else f"{spec.retention_days} days"
        ) + (f"; every message for {spec.whole_days} days" if spec.whole_days else "")
        links = ", ".join(f"[{kind.__name__}](records.md#{kind.__name__.lower()})" for kind in held)
        landed = ", ".join(dict.fromkeys(f"`RAW.{LANDED[kind]}`" for kind in held))
        rows.append((f"`{spec.name}`", links or "snapshot of the state", KEYS.get(spec.name, "symbol"), kept, landed))
    return table(("topic", "records", "key", "Kafka keeps", "lands in"), rows)


def record_sections() -> str:
    """One section per record: its docstring and its fields."""
    parts = []
    for kind in kinds():
        text = code(inspect.cleandoc(kind.__doc__ or ""))
        topic = kind.topic
        parts.append(
            f"## {kind.__name__}\n\nTopic `{topic}`, kind `{kind.__struct_config__.tag}`.\n\n{text}\n\n{fields(kind)}"
        )
    return "\n\n".join(parts)


def fields(kind: type[Record]) -> str:
    """Name, type, default and comment of each field, as the source has them."""
    source = inspect.getsource(kind)
    lines = source.splitlines()
    (tree,) = ast.parse(source).body
    assert isinstance(tree, ast.ClassDef)
    rows = []
    for node in tree.body:
        if isinstance(node, ast.AnnAssign) and not ast.unparse(node.annotation).startswith("ClassVar"):
            comment = lines[(node.end_lineno or 0) - 1][node.end_col_offset :].strip().removeprefix("#").strip()
            default = "" if node.value is None else f"`{ast.unparse(node.value)}`"
            rows.append((f"`{ast.unparse(node.target)}`", f"`{ast.unparse(node.annotation)}`", default, comment))
    return table(("field", "type", "default", "meaning"), rows)


def shared_fields() -> str:
    """What every record has."""
    return f"{first_sentence(Record.__doc__)}.\n\n{fields(Record)}"

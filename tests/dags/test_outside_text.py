"""What people type into forms, or send as a run's configuration, is a value: no DAG makes a template of it."""

import copy
import re
from datetime import UTC, datetime, timedelta

import pytest
from airflow.sdk import DAG, task
from airflow.sdk.definitions._internal.expandinput import ListOfDictsExpandInput
from airflow.sdk.definitions.mappedoperator import MappedOperator
from airflow.sdk.exceptions import ParamValidationError

from include.orchestration import connections
from include.orchestration.ingest import backfill, polling
from include.orchestration.ingest.backfill_operator import BackfillOperator
from include.orchestration.ingest.poll_operator import PollOperator
from tests.airflow_home import airflow_database as airflow_database
from tests.paths import ROOT
from tests.stored_dags import store_dag

TEMPLATE = "{{ 7*7 }}"
HOSTILE = [
    TEMPLATE,
    "{{7*7}}",
    "{% if 1 %}49{% endif %}",
    "{# 49 #}",
    "{{ conn.snowflake_default.password }}",
    "AAPL{{ 7*7 }}",
    "2026-01-05{{ 7*7 }}",
    "AAPL\n",
    "2026-01-05\n",
    "AAPL\x00",
    "AAPL\u2028",
    "AAPL'; drop table alerts; --",
    "../../etc/passwd",
    "$(id)",
    "`id`",
    "<script>alert(1)</script>",
    "x" * 30_000,
]
# Several lines of YAML may hold nearly anything that is printed, but for what opens a template.
YAML_FIELDS = {"a", "b"}
IN_YAML = [text for text in HOSTILE if not re.fullmatch(r"(?!.*\{[{%#])[ -~\n]{1,20000}", text)]
GOOD = {"from": "2026-01-05", "to": "2026-01-05T15:00:00Z"}


@pytest.fixture(scope="module")
def bag():
    from airflow.dag_processing.dagbag import DagBag

    return DagBag(dag_folder=str(ROOT / "dags"))


def forms(bag):
    return {dag_id: dag for dag_id, dag in bag.dags.items() if dag.params}


def is_closed(schema):
    """Whether the schema of a text, a list or a number says what it may be."""
    match schema["type"]:
        case "string":
            whole = schema.get("pattern", "").startswith("^") and schema["pattern"].endswith(r"(?![\s\S])")
            return "enum" in schema or (whole and schema["maxLength"] <= 20_000)
        case "array":
            return schema["maxItems"] <= 20_000 and is_closed(schema["items"])
        # A field that may be left empty.
        case ["null", kind]:
            return is_closed(schema | {"type": kind})
        case kind:
            return kind in ("integer", "number", "boolean")


def test_every_field_says_what_it_accepts(bag):
    fields = [(dag_id, name, param) for dag_id, dag in forms(bag).items() for name, param in dag.params.items()]
    texts = [
        (dag_id, name) for dag_id, name, _ in fields if not is_closed(bag.dags[dag_id].params.get_param(name).schema)
    ]
    assert len(fields) > 10
    assert texts == []


def refused(dag, conf, serialised):
    """Whether the API server refuses the configuration before it makes a run, and a worker before it runs a task."""
    with pytest.raises(ParamValidationError):
        serialised.params.deep_merge(conf).validate()
    with pytest.raises(ParamValidationError):
        validate(copy.deepcopy(dag.params), conf)
    return True


def validate(params, conf):
    params.update(conf)
    params.validate()


def test_hostile_texts_are_refused_by_the_server_and_by_the_worker(bag):
    from airflow.serialization.serialized_objects import DagSerialization

    tried = 0
    for dag in forms(bag).values():
        serialised = DagSerialization.from_dict(DagSerialization.to_dict(dag))
        for name in dag.params:
            schema = dag.params.get_param(name).schema
            for text in IN_YAML if name in YAML_FIELDS else HOSTILE:
                given = [[text], [TEMPLATE, {"a": TEMPLATE}], TEMPLATE] if schema["type"] == "array" else [text, [text]]
                for value in given:
                    assert refused(dag, GOOD | {name: value}, serialised), (dag.dag_id, name, value[:30])
                    tried += 1
    assert tried > 200


def test_what_is_mapped_over_values_from_outside_has_no_template_fields(bag):
    """Airflow renders what comes by expand_kwargs; it leaves alone what comes by expand."""
    mapped = [(dag.dag_id, it) for dag in bag.dags.values() for it in dag.tasks if isinstance(it, MappedOperator)]
    templated = {(dag_id, it.task_id) for dag_id, it in mapped if tuple(it.template_fields)}
    # Numbers of partitions and names of our topics.
    assert templated == {("build_baselines", "build"), ("judge_history", "judge"), ("land_raw", "land")}
    assert not [
        it for _, it in mapped if tuple(it.template_fields) and isinstance(it.expand_input, ListOfDictsExpandInput)
    ]
    assert len(mapped) >= 5


def test_no_task_has_a_template_that_reads_the_form(bag):
    for dag in bag.dags.values():
        for it in dag.tasks:
            operator = it.partial_kwargs if isinstance(it, MappedOperator) else vars(it)
            fields = {name: str(operator.get(name, "")) for name in (*it.template_fields, "map_index_template")}
            assert not [
                text for text in fields.values() if re.search(r"\{[{%].*(params|conf|dag_run|var\.|conn\.)", text)
            ]


def test_airflow_leaves_alone_what_one_task_hands_to_the_next(airflow_database):
    """Not by expand_kwargs: that it renders, and so whatever is mapped like this has no template fields."""
    values, taken = HOSTILE[:6], []
    with DAG("handed", start_date=datetime(2026, 1, 1, tzinfo=UTC), schedule=None) as dag:

        @task
        def give():
            return values

        @task
        def take(how, given):
            taken.append((how, given))

        given = give()
        take.override(task_id="plain")("plain", given)
        take.override(task_id="mapped").partial(how="mapped").expand(given=given)
        take.override(task_id="partial").partial(given=given).expand(how=["partial"])
        take.override(task_id="listed")("listed", [given, {"inner": given}])
    store_dag(dag)
    assert dag.test().state == "success"
    assert [given for how, given in taken if how in ("plain", "partial")] == [values, values]
    assert sorted(given for how, given in taken if how == "mapped") == sorted(values)
    assert [given for how, given in taken if how == "listed"] == [[values, {"inner": values}]]


def test_what_gets_past_the_form_is_still_no_template(airflow_database, monkeypatch):
    """Without any check of the form: what the operators are given, and their names in the grid, is what was typed."""
    from airflow.models.taskinstance import TaskInstance
    from airflow.utils.session import create_session
    from sqlalchemy import select

    asked = []
    monkeypatch.setenv(
        "AIRFLOW_CONN_KAFKA_DEFAULT", '{"conn_type":"kafka","extra":{"bootstrap.servers":"127.0.0.1:9"}}'
    )
    monkeypatch.setattr(connections, "polygon", lambda *_: None)
    monkeypatch.setattr(backfill, "poll_spans", lambda _p, _k, symbols, *_: asked.append(symbols) or {})
    monkeypatch.setattr(PollOperator, "execute", lambda self, context: asked.append(self.symbols))
    planned = [{"name": polling.name_group([text]), "symbols": [text]} for text in HOSTILE[:6]]
    polls = [{**plan, "timespans": ["minute"], "since_ms": 0, "end_ms": 60_000} for plan in planned]
    with DAG(
        "typed",
        start_date=datetime(2026, 1, 1, tzinfo=UTC),
        schedule=None,
        params=GOOD | {"timespan": "minute", "chunk_days": 5},
    ) as dag:
        named = {"map_index_template": "{{ task.name }}"}

        @task
        def plan():
            return planned

        @task
        def plan_polls():
            return polls

        BackfillOperator.partial(task_id="backfill", **named).expand_kwargs(plan())
        PollOperator.partial(task_id="poll", overlap=timedelta(0), delay_seconds=0, **named).expand_kwargs(plan_polls())
    store_dag(dag)
    run = dag.test()
    assert run.state == "success"
    assert sorted(asked) == sorted(2 * [plan["symbols"] for plan in planned])
    with create_session() as session:
        found = session.scalars(select(TaskInstance).where(TaskInstance.dag_id == "typed", TaskInstance.map_index >= 0))
        assert sorted(it.rendered_map_index for it in found) == sorted(2 * HOSTILE[:6])

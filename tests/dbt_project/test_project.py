"""Rules that every model keeps, read from the manifest. Nothing is connected to."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from include.orchestration.dag_defaults import OWNER
from tests.paths import ROOT

PROJECT = ROOT / "dbt_project"
LAYERS = {
    "staging": ("stg_", "STAGING", {"source"}),
    "intermediate": ("int_", "STAGING", {"staging"}),
    "marts": ("(dim|fact|bridge)_", "ANALYTICS", {"staging", "intermediate", "marts"}),
    "features": ("feature_", "ANALYTICS", {"staging", "marts"}),
    "reporting": ("rpt_", "ANALYTICS", {"marts", "reporting"}),
}
MODELS = {
    "stg_bars", "stg_news", "stg_alerts", "stg_metrics", "stg_instruments",
    "stg_corporate_actions", "stg_dispositions", "stg_watermarks",
    "int_bars", "int_metrics", "int_instruments",
    "dim_instruments", "dim_market_sessions", "fact_intraday_metrics", "fact_alert_events", "fact_alerts",
    "fact_bar_revisions", "fact_news", "bridge_alert_evidence", "fact_corporate_actions", "fact_bars_adjusted",
    "fact_alert_dispositions", "fact_polled_minutes",
    "rpt_alert_latency", "rpt_alerts_by_rule_and_day", "rpt_symbol_day",
    "rpt_alert_outcomes", "rpt_latency_slo", "rpt_market_breadth", "rpt_rule_precision", "rpt_corrections",
    "rpt_coverage", "rpt_coverage_sessions", "rpt_feed_sla", "rpt_symbol_risk_day", "rpt_peer_comparison",
    "feature_bar_v1", "feature_symbol_day_v1",
}  # fmt: skip


@pytest.fixture(scope="module")
def manifest(dbt) -> dict:
    result = dbt("parse", "--warn-error")
    assert result.success, result.exception
    return result.result.writable_manifest().to_dict()


@pytest.fixture(scope="module")
def models(manifest) -> dict[str, dict]:
    nodes = [node for node in manifest["nodes"].values() if node["resource_type"] == "model"]
    return {node["name"]: node for node in nodes}


def layer_of(node: dict) -> str:
    if node["resource_type"] == "source":
        return "source"
    return Path(node["original_file_path"]).parts[1]


def test_the_models_are_these(models):
    assert set(models) == MODELS


def test_each_model_is_named_and_placed_by_its_layer(models):
    for name, model in models.items():
        prefix, schema, _ = LAYERS[layer_of(model)]
        assert re.match(prefix, name), f"{name} does not start with {prefix}"
        assert model["schema"] == schema, f"{name} is in schema {model['schema']}"


def test_each_layer_reads_only_the_one_below(manifest, models):
    nodes = manifest["nodes"] | manifest["sources"]
    for name, model in models.items():
        parents = {layer_of(nodes[parent]) for parent in model["depends_on"]["nodes"]}
        allowed = LAYERS[layer_of(model)][2]
        assert parents, f"{name} reads nothing"
        assert parents <= allowed, f"{name} reads {parents - allowed}"


def test_each_model_and_source_is_described(manifest, models):
    described = [*models.values(), *manifest["sources"].values()]
    assert [node["name"] for node in described if not node["description"].strip()] == []


def test_each_model_has_a_tested_key(manifest, models):
    """Staging has none: it is the log, of which the models after it choose."""
    tests = [node for node in manifest["nodes"].values() if node.get("attached_node")]
    for name, model in models.items():
        if layer_of(model) == "staging":
            continue
        metadata = [test["test_metadata"] for test in tests if test["attached_node"] == model["unique_id"]]
        unique = {test["kwargs"].get("column_name") for test in metadata if test["name"] == "unique"}
        not_null = {test["kwargs"].get("column_name") for test in metadata if test["name"] == "not_null"}
        combined = any(test["name"] == "unique_combination" for test in metadata)  # no null either
        assert unique & not_null or combined, f"{name} has no key that is unique and not null"


def test_singular_tests_state_a_claim_and_say_what_a_row_means():
    files = sorted((PROJECT / "tests" / "singular").glob("*.sql"))
    assert files
    for file in files:
        assert file.name.startswith("assert_"), file.name
        assert file.read_text().startswith("-- A row: "), f"{file.name} does not say what a row means"


def test_profile_holds_no_literal_credentials():
    profile = (PROJECT / "profiles.yml").read_text()
    for name in ("account", "user", "password", "private_key_path", "private_key_passphrase", "role", "warehouse"):
        said = re.search(rf'^\s+{name}: "{{{{ (.*) }}}}"$', profile, re.MULTILINE)
        # What is no name of a variable is no text either.
        assert set(re.findall(r"'([^']*)'", said[1])) <= {"", *re.findall(r"env_var\('(SNOWFLAKE_\w+)'", said[1])}, name
        assert "env_var" in said[1], name


def test_what_is_nowhere_else_is_permanent_and_survives_a_full_refresh(models):
    """RAW keeps bars, watermarks, metrics and news for a time only."""
    copies = {
        "int_bars", "int_metrics", "int_instruments", "fact_alert_events", "fact_intraday_metrics", "fact_news",
        "fact_bar_revisions", "fact_polled_minutes", "rpt_coverage_sessions",
        "feature_bar_v1", "feature_symbol_day_v1",
    }  # fmt: skip
    for name in copies:
        config = models[name]["config"]
        assert (config["full_refresh"], config.get("transient")) == (False, False), name
    texts = [file for kind in ("sql", "yml", "md") for file in PROJECT.rglob(f"*.{kind}") if "target" not in file.parts]
    assert [file.name for file in texts if re.search("full.refresh(?!(: |=)false)", file.read_text())] == []


def test_large_tables_are_clustered_by_day(models):
    for name in ("int_bars", "int_metrics", "fact_intraday_metrics", "fact_bar_revisions"):
        assert models[name]["config"]["cluster_by"] == ["bar_start_at::date"], name


def test_each_model_has_an_owner_and_what_others_read_a_contract(manifest, models):
    """What a contract says of a key is not checked by Snowflake: the tests above do that."""
    (owner,) = [group["owner"]["name"] for group in manifest["groups"].values()]
    assert owner == OWNER
    for name, model in models.items():
        assert model["group"] == "surveillance", name
        if layer_of(model) in ("marts", "features", "reporting"):
            assert (model["access"], model["contract"]["enforced"]) == ("public", True), name


def test_a_database_of_its_own_modifies_no_source(manifest):
    """Else all would be built in each of them, and nothing read from production."""
    for source in manifest["sources"].values():
        assert source["unrendered_database"] == "{{ env_var('SNOWFLAKE_RAW_DATABASE', target.database) }}"


# The rules of dbt_project_evaluator that matter here; it is a package of dbt's hub and of git, which a build of this
# project does not ask. What breaks one stands here with its reason, and must break it still.
EXCEPTIONS = {
    ("exposures read reports", "marts_of_record"): "an auditor asks for the records, not for what is counted of them",
    ("few reports read one model", "fact_alerts"): "each report asks something else of the same alerts",
    ("sources have a freshness", "raw_corporate_actions"): "days without any are no fault",
    ("sources have a freshness", "raw_dispositions"): "days without any are no fault",
    ("sources have a freshness", "raw_watermarks"): "they come with the bars, which have one",
}
LEAVES = 3
VIEWS = 4


class Graph:
    """Who reads whom, by name."""

    def __init__(self, manifest: dict):
        self.sources = {node["name"]: node for node in manifest["sources"].values()}
        self.exposures = {node["name"]: node for node in manifest["exposures"].values()}
        self.models = {n["name"]: n for n in manifest["nodes"].values() if n["resource_type"] == "model"}
        self.parents = {
            name: {unique_id.rpartition(".")[2] for unique_id in node["depends_on"]["nodes"]}
            for name, node in (self.models | self.exposures).items()
        }

    def layer(self, name: str) -> str:
        return "source" if name in self.sources else layer_of(self.models[name])

    def readers(self, name: str) -> set[str]:
        """Models and exposures that read a model or source."""
        return {reader for reader, parents in self.parents.items() if name in parents}

    def is_leaf(self, name: str) -> bool:
        """No model reads it."""
        return not self.readers(name) & set(self.models)

    def upstream(self, name: str) -> set[str]:
        """All that a model or exposure is made of."""
        direct = self.parents.get(name, set())
        return direct.union(*(self.upstream(parent) for parent in direct))

    def views_before(self, name: str) -> int:
        """Length of the longest chain of views that ends with a model."""
        if name in self.sources or self.models[name]["config"]["materialized"] != "view":
            return 0
        return 1 + max((self.views_before(parent) for parent in self.parents[name]), default=0)


def written(model: dict) -> str:
    """What a model's file says without comments and Jinja."""
    return re.sub(r"\{#.*?#\}|\{%.*?%\}|\{\{.*?\}\}|--[^\n]*", " ", model["raw_code"], flags=re.DOTALL)


def findings(graph: Graph) -> set[tuple[str, str]]:
    """(rule, name of what breaks it)"""
    rules: dict[str, set[str]] = {
        "only staging reads sources": {
            name for name in graph.models if graph.layer(name) != "staging" and graph.parents[name] & set(graph.sources)
        },
        "staging reads one source": {
            name for name in graph.models
            if graph.layer(name) == "staging"
            and (len(graph.parents[name]) != 1 or graph.parents[name] - set(graph.sources))
        },
        "a source is read by one model": {name for name in graph.sources if len(graph.readers(name)) != 1},
        "models read something": {name for name in graph.models if not graph.parents[name]},
        "models are read, or reports": {
            name for name in graph.models
            if graph.layer(name) != "reporting" and not graph.readers(name)
        },
        "references are not written out": {
            name for name, model in graph.models.items() if re.search(r'\b(from|join)\s+"?\w+"?\.', written(model))
        },
        # A model between two that read each other anyway, and that nobody else reads, is no concept of its own.
        "nothing is joined with what it is made of": {
            between for name in graph.models for between in graph.parents[name]
            if graph.readers(between) == {name} and graph.parents.get(between, set()) & graph.parents[name]
        },
        "few reports read one model": {
            name for name in graph.models
            if len([it for it in graph.readers(name) & set(graph.models) if graph.is_leaf(it)]) > LEAVES
        },
        "views do not pile up": {name for name in graph.models if graph.views_before(name) > VIEWS},
        # The feature store's read features, which are reports for models.
        "exposures read reports": {
            name for name in graph.exposures
            if {graph.layer(it) for it in graph.parents[name]} not in ({"reporting"}, {"features"})
        },
        "sources have a freshness": {
            name for name, source in graph.sources.items()
            if not ((source["freshness"] or {}).get("warn_after") or {}).get("count")
        },
        "columns are described": {
            name for name, node in (graph.models | graph.sources).items()
            if not node["columns"] or not all(column["description"].strip() for column in node["columns"].values())
        },
    }  # fmt: skip
    return {(rule, name) for rule, names in rules.items() for name in names}


def test_the_graph_keeps_its_rules_but_for_these_exceptions(manifest):
    assert findings(Graph(manifest)) == set(EXCEPTIONS)


def test_each_rule_of_the_graph_can_be_broken(manifest):
    """Else an empty finding says nothing."""
    graph = Graph(manifest)
    graph.parents["fact_news"] = {"raw_news"}
    graph.parents["stg_bars"] = {"raw_bars", "stg_news"}
    graph.parents["dim_instruments"] = set()
    graph.models["rpt_symbol_day"]["raw_code"] = "select * from analytics.fact_alerts -- from a.b"
    graph.parents["rpt_coverage_sessions"] |= {"rpt_coverage", "fact_polled_minutes"}
    graph.parents["reports_of_the_desk"] = {"stg_metrics"}
    graph.parents["coverage_of_record"] = {"rpt_coverage_sessions"}
    graph.parents["marts_of_record"].remove("bridge_alert_evidence")
    graph.models["fact_alerts"]["columns"] = {}
    for name in ("int_bars", "fact_intraday_metrics", "rpt_symbol_day"):
        graph.models[name]["config"] = {"materialized": "view"}
    assert findings(graph) - set(EXCEPTIONS) >= {
        ("only staging reads sources", "fact_news"), ("staging reads one source", "stg_bars"),
        ("a source is read by one model", "raw_news"), ("models read something", "dim_instruments"),
        ("references are not written out", "rpt_symbol_day"), ("exposures read reports", "reports_of_the_desk"),
        ("nothing is joined with what it is made of", "rpt_coverage"), ("columns are described", "fact_alerts"),
        ("models are read, or reports", "bridge_alert_evidence"), ("views do not pile up", "rpt_symbol_risk_day"),
    }  # fmt: skip


def test_the_lineage_runs_from_each_source_to_the_exposures(manifest):
    """As the documentation site draws it, which is written from the manifest."""
    graph = Graph(manifest)
    reached = set().union(*(graph.upstream(exposure) for exposure in graph.exposures))
    assert reached >= set(graph.sources)
    assert reached >= {name for name in graph.models if graph.layer(name) == "reporting"}
    drawn = {child for children in manifest["child_map"].values() for child in children}
    assert drawn >= set(manifest["exposures"])
    assert len(graph.exposures) == 4


def test_the_metrics_are_these_and_go_by_sessions(manifest):
    assert {"alerts_per_symbol_session", "rule_precision", "alert_latency_p95", "coverage_share", "feed_sla"} <= {
        metric["name"] for metric in manifest["metrics"].values()
    }
    for metric in manifest["metrics"].values():
        assert metric["description"].strip(), metric["name"]
    graph = Graph(manifest)
    read = {it["depends_on"]["nodes"][0].rpartition(".")[2] for it in manifest["semantic_models"].values()}
    assert {graph.layer(name) for name in read} <= {"marts", "reporting"}
    spines = {name: model["time_spine"] for name, model in graph.models.items() if model["time_spine"]}
    assert [(name, spine["standard_granularity_column"]) for name, spine in spines.items()] == [
        ("dim_market_sessions", "session_date")
    ]


@pytest.mark.parametrize(
    ("analyst", "reader", "marts", "reports"),
    [
        ("", "", {}, {}),
        ("ANALYST", "", {"select": ["ANALYST"]}, {"select": ["ANALYST"]}),
        ("ANALYST", "READER", {"select": ["ANALYST"]}, {"select": ["READER", "ANALYST"]}),
    ],
)
def test_roles_that_are_named_may_read(dbt, profile, analyst, reader, marts, reports):
    with pytest.MonkeyPatch.context() as named:
        named.setenv("SNOWFLAKE_ANALYST_ROLE", analyst)
        named.setenv("SNOWFLAKE_READER_ROLE", reader)
        parsed = dbt("parse")
        assert parsed.success, parsed.exception
    granted: dict[str, list[dict]] = {}
    for model in Graph(parsed.result.to_dict()).models.values():
        granted.setdefault(layer_of(model), []).append(model["config"].get("grants", {}))
    assert all(it == marts for it in granted["marts"])
    assert all(it == reports for it in granted["reporting"])
    assert not any(granted["staging"] + granted["intermediate"])

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
    "rpt_coverage", "rpt_coverage_sessions",
    "feature_bar_v1", "feature_symbol_day_v1",
}  # fmt: skip


@pytest.fixture(scope="module")
def manifest(dbt) -> dict:
    result = dbt("parse", "--warn-error")
    assert result.success, result.exception
    return result.result.to_dict()


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

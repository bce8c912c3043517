"""airflow_settings.yaml reaches the metadata database, and reaching it twice changes nothing."""

import pytest
import yaml

from include.orchestration import apply_settings
from include.orchestration.dag_defaults import Pool


def pools():
    from airflow.models.pool import Pool as StoredPool

    return {pool.pool: pool.slots for pool in StoredPool.get_pools()}


def test_pools_of_the_file_are_created_and_updated(airflow_database, tmp_path, capsys):
    apply_settings.main([])
    apply_settings.main([])
    declared = yaml.safe_load(apply_settings.SETTINGS.read_text())["airflow"]["pools"]
    expected = {pool["pool_name"]: pool["pool_slot"] for pool in declared}
    assert expected.keys() == set(Pool)
    assert pools().items() >= expected.items()
    assert "pool polygon: 20000 slots" in capsys.readouterr().out
    changed = tmp_path / "settings.yaml"
    changed.write_text("airflow: {pools: [{pool_name: polygon, pool_slot: 5}]}")
    apply_settings.main([str(changed)])
    assert pools()["polygon"] == 5


def test_variables_are_set(airflow_database):
    from airflow.models.variable import Variable

    entry = {"variable_name": "watchlist_of_test", "variable_value": "AAPL,MSFT"}
    apply_settings.apply_settings({"variables": [entry]})
    assert Variable.get("watchlist_of_test") == "AAPL,MSFT"


def test_entry_without_slots_is_refused(airflow_database):
    with pytest.raises(KeyError, match="pool_slot"):
        apply_settings.apply_settings({"pools": [{"pool_name": "polygon"}]})

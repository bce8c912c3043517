import os

import pytest

from include.local_stack.initialisation import manifest_is_old, parse_dbt
from tests.airflow_home import airflow_database as airflow_database


@pytest.fixture(scope="session", autouse=True)
def manifest(folder):
    """What build_marts is drawn from; made where the DAGs look for it, as the stack's start does."""
    if manifest_is_old():
        names = ("ACCOUNT", "USER", "PASSWORD", "WAREHOUSE", "ROLE")
        parse_dbt(os.environ | {f"SNOWFLAKE_{name}": "unused" for name in names}, folder / "dbt-parse.log")

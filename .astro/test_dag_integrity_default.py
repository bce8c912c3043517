"""Every DAG file loads: what `astro dev parse` runs inside the image.

The file that the Astro CLI generates under this name checks nothing when the DAG folder is missing, and patches
Variables, connections and the environment because DAG files might read them. Ours must not: they load without any.
"""

from pathlib import Path

import pytest
from airflow.configuration import conf
from airflow.dag_processing.dagbag import DagBag

DAG_FILES = sorted(Path(conf.get("core", "dags_folder")).glob("*.py"))


@pytest.fixture(scope="module")
def bag():
    return DagBag(dag_folder=conf.get("core", "dags_folder"))


def test_the_folder_holds_dag_files():
    assert DAG_FILES, f"no DAG file in {conf.get('core', 'dags_folder')}; set AIRFLOW__CORE__DAGS_FOLDER"


@pytest.mark.parametrize("file", DAG_FILES, ids=lambda file: file.name)
def test_file_loads_and_defines_a_dag(bag, file):
    errors = [error for path, error in bag.import_errors.items() if Path(path).name == file.name]
    assert not errors, errors[0]
    assert any(dag.fileloc == str(file) for dag in bag.dags.values()), f"{file.name} defines no DAG"

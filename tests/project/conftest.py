"""The files at the root of the project, parsed once."""

from __future__ import annotations

import shutil

import pytest
import yaml

from include.local_stack import env_files
from tests.paths import ROOT
from tests.project.files import dotenv, filled, started, variables


@pytest.fixture(scope="session")
def compose_text() -> str:
    return (ROOT / "docker-compose.yml").read_text()


@pytest.fixture(scope="session")
def secret_names(compose_text) -> set[str]:
    """The variables that Compose refuses to start without."""
    return {name for name, rules in variables(compose_text).items() if ":?" in rules}


@pytest.fixture(scope="session")
def environment(tmp_path_factory) -> dict[str, str]:
    """What `make env` leaves in .env."""
    root = tmp_path_factory.mktemp("env")
    for example in (".env.example", "airflow.env.example", "channels.env.example", "watchdog.env.example"):
        shutil.copy(ROOT / example, root)
    env_files.main(root)
    return dotenv(root / ".env")


@pytest.fixture(scope="session")
def compose(compose_text, environment) -> dict:
    return filled(yaml.safe_load(compose_text), environment)


@pytest.fixture(scope="session")
def services(compose) -> dict[str, dict]:
    return {name: started(service) for name, service in compose["services"].items()}


@pytest.fixture(scope="session")
def airflow_services(services) -> dict[str, dict]:
    return {
        name: service
        for name, service in services.items()
        if "airflow.env" in service.get("env_file", ()) and name not in ("watchdog", "exporter")
    }

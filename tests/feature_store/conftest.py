"""The feature store's virtualenv, a Redis with a password, and the warehouse that dbt's tests have."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from include.local_stack.errors import StackError
from include.local_stack.feature_store import ensure_virtualenv
from tests.conftest import HOST, free_port, service
from tests.dbt_project.conftest import dbt, market, profile  # noqa: F401 - fixtures
from tests.paths import ROOT

# Kept between runs; where there is none, making it takes a minute and the network.
VIRTUALENV = Path(os.environ.get("FEATURE_STORE_VENV", f"/var/tmp/surveillance-feature-store-{os.getuid()}"))
# Of digits alone: Feast would take it for a number.
PASSWORD = "1234567890"
Run = Callable[..., str]
Ask = Callable[..., list[Any]]


@pytest.fixture(scope="session")
def feast_python() -> Path:
    try:
        return ensure_virtualenv(VIRTUALENV)
    except StackError as error:
        pytest.skip(f"the feature store's virtualenv cannot be made: {error}")


@pytest.fixture(scope="session")
def redis_with_password(folder: Path) -> Iterator[str]:
    """A real Redis; yields the address of its database 3."""
    port = free_port()
    url = f"redis://:{PASSWORD}@{HOST}:{port}/3"

    def ready() -> bool:
        try:
            return redis.Redis.from_url(url).ping()
        except redis.RedisError:
            return False

    command = ["redis-server", "--bind", HOST, "--port", str(port), "--save", "", "--dir", str(folder)]
    with service([*command, "--requirepass", PASSWORD], ready, folder / "feature-redis.log"):
        yield url


@pytest.fixture(scope="module")
def run(profile, feast_python: Path, redis_with_password: str) -> Run:  # noqa: F811 - a fixture
    """Run a module in the feature store's virtualenv; returns its output."""

    def run(*command: str, given: str = "") -> str:
        done = subprocess.run(
            [feast_python, "-W", "ignore", "-m", *command],
            input=given,
            env={**os.environ, "PYTHONPATH": str(ROOT), "FEATURE_STORE_REDIS": redis_with_password},
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=200,
        )
        assert done.returncode == 0, done.stderr[-3000:]
        return done.stdout

    return run


@pytest.fixture(scope="module")
def ask(run: Run) -> Ask:
    """Have the feature store do something, e.g. ``ask(["online", "AAPL"])``; returns an answer each."""
    return lambda *commands: json.loads(run("tests.feature_store.reading", given=json.dumps(commands)).splitlines()[-1])

"""A password or a key pair: the hook, Cosmos and dbt in a shell make the same login of the same settings.

That Snowflake takes the key can be seen with an account only: the embedded warehouse knows passwords.
"""

from __future__ import annotations

import base64
import json
import os
from argparse import Namespace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from dbt.config.profile import Profile, read_profile
from dbt.config.renderer import ProfileRenderer
from dbt.flags import set_from_args
from dbt_common.context import set_invocation_context

from tests.airflow_home import airflow_database as airflow_database
from tests.dbt_project.conftest import PROJECT

KEY = rsa.generate_private_key(65537, 2048)
PASSPHRASE = "generated-passphrase"
PKCS8, PEM, DER = serialization.PrivateFormat.PKCS8, serialization.Encoding.PEM, serialization.Encoding.DER
OPEN = KEY.private_bytes(PEM, PKCS8, serialization.NoEncryption())
LOCKED = KEY.private_bytes(PEM, PKCS8, serialization.BestAvailableEncryption(PASSPHRASE.encode()))
EXTRA = {"account": "org-account", "database": "MARKET", "warehouse": "SURVEILLANCE", "role": "SURVEILLANCE"}
BY_KEY = {"password": None, "private_key": KEY.private_bytes(DER, PKCS8, serialization.NoEncryption())}
BY_PASSWORD = {"password": "generated-password", "private_key": None}


@pytest.fixture(params=["a password", "a file", "a locked file", "its text", "its locked text"])
def settings(request, tmp_path, monkeypatch) -> dict[str, Any]:
    """A connection with one kind of login; yields what the Snowflake connector shall get."""
    file = tmp_path / "key.p8"
    file.write_bytes(LOCKED if "locked" in request.param else OPEN)
    connection: dict[str, Any] = {"conn_type": "snowflake", "login": "loader", "schema": "RAW", "extra": dict(EXTRA)}
    if request.param == "a password":
        connection["password"] = BY_PASSWORD["password"]
    elif "locked" in request.param:
        connection["password"] = PASSPHRASE
    if "file" in request.param:
        connection["extra"]["private_key_file"] = str(file)
    elif "text" in request.param:
        connection["extra"]["private_key_content"] = base64.b64encode(file.read_bytes()).decode()
    monkeypatch.setenv("AIRFLOW_CONN_SNOWFLAKE_DEFAULT", json.dumps(connection))
    return BY_PASSWORD if request.param == "a password" else BY_KEY


def of_dbt(profiles: Path) -> dict[str, Any]:
    """How dbt would log in with a folder's profiles.yml and the environment as it is."""
    set_from_args(Namespace(), {})
    set_invocation_context(os.environ)
    profile = Profile.from_raw_profiles(read_profile(str(profiles)), "market", ProfileRenderer({}))
    known = profile.credentials.auth_args()
    return {name: known.get(name) or None for name in BY_KEY}


def test_the_hook(settings, monkeypatch):
    from include.orchestration import connections

    class Session(dict):
        def close(self):
            """Nothing was opened."""

    monkeypatch.setattr("snowflake.connector.connect", lambda **given: Session(given))
    with connections.warehouse() as session:
        assert {name: session.get(name) for name in BY_KEY} == settings


def test_cosmos(settings, monkeypatch):
    from include.orchestration.marts.render import ConnectionProfile, ProfileConfig

    # A new one: the mapping remembers the connection of its task.
    mapping = ConnectionProfile(conn_id="snowflake_default", profile_args={"schema": "ANALYTICS"})
    written = ProfileConfig(profile_name="market", target_name="snowflake", profile_mapping=mapping)
    with written.ensure_profile() as (file, variables):
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        assert of_dbt(file.parent) == settings
        for secret in (PASSPHRASE, BY_PASSWORD["password"], "PRIVATE KEY"):
            assert secret not in file.read_text()


@pytest.mark.parametrize(
    ("password", "key", "expected"),
    [
        (BY_PASSWORD["password"], None, BY_PASSWORD),
        (PASSPHRASE, LOCKED, BY_KEY),
        (None, OPEN, BY_KEY),
    ],
)
def test_dbt_in_a_shell(tmp_path, monkeypatch, password, key, expected):
    for name, value in EXTRA.items():
        monkeypatch.setenv(f"SNOWFLAKE_{name.upper()}", value)
    monkeypatch.setenv("SNOWFLAKE_USER", "loader")
    monkeypatch.setenv("SNOWFLAKE_PRIVATE_KEY_PATH", str(tmp_path / "key.p8") if key else "")
    (tmp_path / "key.p8").write_bytes(key or b"")
    if password:
        monkeypatch.setenv("SNOWFLAKE_PASSWORD", password)
    else:
        monkeypatch.delenv("SNOWFLAKE_PASSWORD", raising=False)
    assert of_dbt(PROJECT) == expected

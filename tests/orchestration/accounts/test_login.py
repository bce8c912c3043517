"""The settings file as Flask reads it."""

from __future__ import annotations

import json
import os
import subprocess
import sys

from flask import Flask

from include.orchestration.accounts import roles
from tests.paths import ROOT

FILE = ROOT / "include" / "orchestration" / "accounts" / "login.py"


def read(monkeypatch, settings=None):
    if settings is not None:
        monkeypatch.setenv("LOGIN_SETTINGS", json.dumps(settings))
    app = Flask("test")
    assert app.config.from_pyfile(str(FILE))
    return app.config


def test_users_are_local_and_forms_are_guarded(monkeypatch):
    config = read(monkeypatch)
    assert config["AUTH_TYPE"] == 1
    assert config["SECURITY_MANAGER_CLASS"] is roles.SecurityManager
    assert config["WTF_CSRF_ENABLED"]
    assert "AUTH_ROLE_PUBLIC" not in config
    assert not config.get("AUTH_USER_REGISTRATION")


def test_a_directory_by_one_variable(monkeypatch):
    config = read(monkeypatch, {"AUTH_TYPE": "ldap", "AUTH_LDAP_SERVER": "ldaps://ldap.example.com"})
    assert (config["AUTH_TYPE"], config["AUTH_LDAP_SERVER"]) == (2, "ldaps://ldap.example.com")
    assert config["SECURITY_MANAGER_CLASS"] is roles.SecurityManager


OAUTH = {
    "AUTH_TYPE": "oauth",
    "AUTH_USER_REGISTRATION": True,
    "AUTH_USER_REGISTRATION_ROLE": "Viewer",
    "AUTH_ROLES_MAPPING": {"surveillance-desk": ["Analyst"]},
    "OAUTH_PROVIDERS": [
        {
            "name": "okta",
            "token_key": "access_token",
            "remote_app": {
                "client_id": "surveillance",
                "client_secret": "s3cret",
                "api_base_url": "https://example.okta.com/oauth2/v1/",
                "access_token_url": "https://example.okta.com/oauth2/v1/token",
                "authorize_url": "https://example.okta.com/oauth2/v1/authorize",
                "client_kwargs": {"scope": "openid profile email groups"},
            },
        }
    ],
}
ASK = """
from airflow.api_fastapi.app import create_app
from starlette.testclient import TestClient
client = TestClient(create_app(apps="core"))
client.get("/auth/login/okta")
answer = client.get("/auth/login/okta", follow_redirects=False)
print("LEADS TO", answer.status_code, answer.headers["location"])
"""


def test_by_oauth_the_sign_in_leads_to_the_provider(airflow_database):
    """An API server of its own, because Flask reads its settings once."""
    done = subprocess.run(
        [sys.executable, "-c", ASK],
        env=os.environ | {"LOGIN_SETTINGS": json.dumps(OAUTH), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("LEADS TO")] or [done.stderr[-2000:]]
    assert line.startswith("LEADS TO 302 https://example.okta.com/oauth2/v1/authorize?")
    assert "client_id=surveillance" in line
    assert "s3cret" not in done.stdout + done.stderr

"""The settings file as Flask reads it."""

from __future__ import annotations

import json

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

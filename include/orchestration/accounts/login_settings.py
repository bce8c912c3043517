"""Reads variable LOGIN_SETTINGS: which directory knows the people, in Flask-AppBuilder's own words."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any

from flask_appbuilder.const import AUTH_DB, AUTH_LDAP, AUTH_OAUTH, AUTH_REMOTE_USER

from include.surveillance.errors import ConfigurationError

VARIABLE = "LOGIN_SETTINGS"
TYPES = {"database": AUTH_DB, "ldap": AUTH_LDAP, "oauth": AUTH_OAUTH, "remote_user": AUTH_REMOTE_USER}
# Each would open Airflow to everybody, or undo what login.py sets.
REFUSED = {"AUTH_ROLE_PUBLIC", "SECURITY_MANAGER_CLASS", "WTF_CSRF_ENABLED"}


def read_login_settings(environment: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Return the settings by name, AUTH_TYPE as Flask-AppBuilder's number; local users when there are none.

    Raises:
        ConfigurationError: not a JSON object of settings in capitals, an unknown AUTH_TYPE, or one that opens Airflow.
    """
    text = (os.environ if environment is None else environment).get(VARIABLE, "").strip() or "{}"
    try:
        settings = json.loads(text)
    except ValueError as error:
        # The text may hold a password; the error's position says enough.
        raise ConfigurationError(f"{VARIABLE} is no JSON: {error}; write an object in one line") from None
    if not isinstance(settings, dict) or not all(name.isupper() for name in settings):
        raise ConfigurationError(f'{VARIABLE} must be an object of settings in capitals, e.g. {{"AUTH_TYPE": "ldap"}}')
    if refused := REFUSED & settings.keys():
        raise ConfigurationError(f"{VARIABLE} may not set {', '.join(sorted(refused))}: leave it out")
    kind = settings.setdefault("AUTH_TYPE", "database")
    if kind not in TYPES:
        raise ConfigurationError(f"{VARIABLE}: AUTH_TYPE={kind!r} must be one of {', '.join(TYPES)}")
    return settings | {"AUTH_TYPE": TYPES[kind]}

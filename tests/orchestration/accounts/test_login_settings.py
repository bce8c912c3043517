"""LOGIN_SETTINGS: local users, LDAP or OAuth in Flask-AppBuilder's own words; nothing that opens Airflow."""

from __future__ import annotations

import json

import pytest

from include.orchestration.accounts.login_settings import read_login_settings
from include.surveillance.errors import ConfigurationError


@pytest.mark.parametrize("text", [None, "", "  ", "{}", '{"AUTH_TYPE": "database"}'])
def test_users_are_local_unless_it_says_otherwise(text):
    assert read_login_settings({} if text is None else {"LOGIN_SETTINGS": text}) == {"AUTH_TYPE": 1}


@pytest.mark.parametrize(("kind", "number"), [("ldap", 2), ("remote_user", 3), ("oauth", 4)])
def test_a_directory_is_named_by_a_word_and_its_settings_pass(kind, number):
    given = {"AUTH_TYPE": kind, "AUTH_ROLES_MAPPING": {"cn=desk": ["Analyst"]}}
    settings = read_login_settings({"LOGIN_SETTINGS": json.dumps(given)})
    assert settings == {"AUTH_TYPE": number, "AUTH_ROLES_MAPPING": {"cn=desk": ["Analyst"]}}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"AUTH_TYPE": "ldap", "AUTH_LDAP_BIND_PASSWORD": "s3cret"', "is no JSON"),
        ("[1]", "must be an object"),
        ('{"auth_type": "ldap"}', "in capitals"),
        ('{"AUTH_TYPE": "kerberos"}', "must be one of database, ldap"),
        ('{"AUTH_TYPE": 0}', "must be one of database, ldap"),
        ('{"AUTH_ROLE_PUBLIC": "Admin"}', "may not set AUTH_ROLE_PUBLIC"),
        ('{"SECURITY_MANAGER_CLASS": "x"}', "may not set SECURITY_MANAGER_CLASS"),
        ('{"WTF_CSRF_ENABLED": false}', "may not set WTF_CSRF_ENABLED"),
    ],
)
def test_what_cannot_be_meant_is_refused_without_its_secrets(text, message):
    with pytest.raises(ConfigurationError, match=message) as error:
        read_login_settings({"LOGIN_SETTINGS": text})
    assert "s3cret" not in str(error.value)

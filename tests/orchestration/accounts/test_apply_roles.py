"""Roles and the administrator reach the metadata database, and reaching it twice changes nothing."""

from __future__ import annotations

import pytest

from include.orchestration.accounts import apply_roles as module
from include.orchestration.accounts.apply_roles import apply_roles
from include.orchestration.accounts.roles import ADMIN, ROLES
from include.surveillance.errors import ConfigurationError


def permissions():
    from airflow.providers.fab.auth_manager.models import Role
    from airflow.utils.session import create_session
    from sqlalchemy import select

    with create_session() as session:
        roles = session.scalars(select(Role)).unique()
        return {role.name: {(one.action.name, one.resource.name) for one in role.permissions} for role in roles}


def change(role, action, resource, grant):
    with module.get_application_builder() as appbuilder:
        manager = appbuilder.sm
        permission = manager.create_permission(action, resource)
        act = manager.add_permission_to_role if grant else manager.remove_permission_from_role
        act(manager.find_role(role), permission)


def signs_in(client, name, password):
    return client.post("/auth/token", json={"username": name, "password": password}).status_code == 201


def test_the_database_has_the_table_s_roles_and_no_others(client):
    made = permissions()
    assert {name: made[name] for name in ROLES} == ROLES
    assert made.keys() == ROLES.keys() | {ADMIN, "Public"}
    assert made["Public"] == set()
    assert made[ADMIN] > set.union(*ROLES.values()) - {one for one in made["Lead"] if ":" in one[1]}


def test_what_was_granted_or_taken_by_hand_is_as_in_the_table_again(client):
    change("Analyst", "can_create", "DAG Runs", grant=True)
    change("Analyst", "can_read", "Task Logs", grant=False)
    assert permissions()["Analyst"] != ROLES["Analyst"]
    first = apply_roles()
    assert permissions()["Analyst"] == ROLES["Analyst"]
    assert apply_roles() == first


def test_a_role_of_ones_own_is_left_alone(client):
    with module.get_application_builder() as appbuilder:
        appbuilder.sm.add_role("Compliance")
    change("Compliance", "can_read", "Audit Logs", grant=True)
    try:
        apply_roles()
        assert ("can_read", "Audit Logs") in permissions()["Compliance"]
    finally:
        with module.get_application_builder() as appbuilder:
            appbuilder.sm.delete_role("Compliance")


def test_a_new_password_replaces_the_old_one_and_the_user_stays(client):
    assert apply_roles([("nina", "first", "Analyst")])[-1] == "user nina: made, Analyst"
    assert signs_in(client, "nina", "first")
    assert apply_roles([("nina", "first", ADMIN)])[-1] == "user nina: as it was"
    assert apply_roles([("nina", 'it\'s a "second" %', ADMIN)])[-1] == "user nina: new password"
    assert not signs_in(client, "nina", "first")
    assert signs_in(client, "nina", 'it\'s a "second" %')
    with module.get_application_builder() as appbuilder:
        assert [role.name for role in appbuilder.sm.find_user("nina").roles] == ["Analyst"]


def test_the_command_makes_the_administrator(client, monkeypatch, capsys):
    monkeypatch.setenv("AIRFLOW_ADMIN_USER", "chief")
    monkeypatch.setenv("AIRFLOW_ADMIN_PASSWORD", "of the chief")
    module.main()
    assert "user chief: made, Admin" in capsys.readouterr().out
    assert signs_in(client, "chief", "of the chief")


def test_another_settings_file_is_refused(client, monkeypatch):
    monkeypatch.setenv("AIRFLOW__FAB__CONFIG_FILE", "/nowhere/webserver_config.py")
    monkeypatch.setattr(module, "SecurityManager", type("Other", (), {}))
    with pytest.raises(ConfigurationError, match="AIRFLOW__FAB__CONFIG_FILE"):
        apply_roles()


def test_an_airflow_env_of_before_is_refused(client, monkeypatch):
    simple = "airflow.api_fastapi.auth.managers.simple.simple_auth_manager.SimpleAuthManager"
    monkeypatch.setenv("AIRFLOW__CORE__AUTH_MANAGER", simple)
    with pytest.raises(ConfigurationError, match=r"SimpleAuthManager: set it to .*FabAuthManager in airflow\.env"):
        apply_roles()

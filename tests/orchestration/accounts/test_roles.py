"""What the table of roles means at Airflow's API server, act by act."""

from __future__ import annotations

import pytest

from include.orchestration.accounts.roles import ADMIN, ROLES, STUDIES
from tests.paths import ROOT
from tests.rights import ACTS, MAY, acts_allowed


def test_every_role_is_asked():
    assert MAY.keys() == ROLES.keys() | {ADMIN}


@pytest.mark.parametrize("role", MAY)
def test_a_role_may_do_what_it_is_for_and_nothing_else(client, sign_in, desk, role):
    assert acts_allowed(client.request, sign_in(role)) == MAY[role]


def test_without_a_login_nothing_is_allowed(client):
    assert acts_allowed(client.request, {}) == set()


def test_nobody_but_administrators_touches_connections_users_and_roles():
    granted = {(action, resource) for grants in ROLES.values() for action, resource in grants}
    assert not {resource for _, resource in granted} & {"Connections", "Configurations", "Users", "Roles", "Passwords"}


def test_deleting_needs_an_operator():
    for role in ("Viewer", "Analyst", "Lead"):
        assert not {resource for action, resource in ROLES[role] if action == "can_delete"}


def test_every_study_is_a_dag():
    assert all((ROOT / "dags" / f"{dag_id}.py").is_file() for dag_id in STUDIES)


def test_acts_name_what_nobody_misses():
    """A method that changes something goes to an address of nothing, or its body is refused."""
    for act, (method, address) in ACTS.items():
        assert method in ("GET", "POST", "PATCH") or address.rsplit("/", 1)[1].startswith(("no", "none")), act

"""What each role may do in Airflow and on the page: the one table, and the class that brings it into the database."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from airflow.providers.fab.auth_manager.security_manager.override import FabAirflowSecurityManagerOverride
from airflow.providers.fab.www.security import permissions as of
from flask_appbuilder.const import AUTH_OAUTH, AUTH_REMOTE_USER

from include.orchestration.accounts.acts import note_act
from include.orchestration.accounts.permissions import CASES, DECISIONS, PAGE, SIGNATURES, SILENCES

Permission = tuple[str, str]

ADMIN = "Admin"
# What a lead may start: they read bars and write reports, and change nothing that detects.
STUDIES = ("calibrate_rules", "compare_parameters", "backtest_rules")


def _grant(actions: Iterable[str], *resources: str) -> set[Permission]:
    return {(action, resource) for action in actions for resource in resources}


READ, CREATE, EDIT, DELETE, MENU = (
    {of.ACTION_CAN_READ},
    {of.ACTION_CAN_CREATE},
    {of.ACTION_CAN_EDIT},
    {of.ACTION_CAN_DELETE},
    {of.ACTION_CAN_ACCESS_MENU},
)
CHANGE = CREATE | EDIT | DELETE

VIEWER = (
    _grant(READ, PAGE, of.RESOURCE_WEBSITE)
    # Airflow draws the link to the page from its list of plugins.
    | _grant(READ, of.RESOURCE_PLUGIN, of.RESOURCE_IMPORT_ERROR, of.RESOURCE_JOB, of.RESOURCE_POOL)
    | _grant(READ, of.RESOURCE_DAG, of.RESOURCE_DAG_DEPENDENCIES, of.RESOURCE_DAG_VERSION, of.RESOURCE_DAG_WARNING)
    | _grant(READ, of.RESOURCE_DAG_RUN, of.RESOURCE_TASK_INSTANCE, of.RESOURCE_BACKFILL, of.RESOURCE_HITL_DETAIL)
    | _grant(READ, of.RESOURCE_ASSET, of.RESOURCE_ASSET_ALIAS, of.RESOURCE_CLUSTER_ACTIVITY)
    | _grant(READ | EDIT, of.RESOURCE_MY_PASSWORD, of.RESOURCE_MY_PROFILE)
    | _grant(MENU, of.RESOURCE_DAG, of.RESOURCE_ASSET, of.RESOURCE_BROWSE_MENU, of.RESOURCE_CLUSTER_ACTIVITY)
    | _grant(MENU, of.RESOURCE_DAG_RUN, of.RESOURCE_TASK_INSTANCE, of.RESOURCE_DOCS, of.RESOURCE_DOCS_MENU)
)
WORK_AT_DESK, SIGN = _grant(CREATE, DECISIONS, SILENCES, CASES), _grant(CREATE, SIGNATURES)
ANALYST = VIEWER | _grant(READ, of.RESOURCE_TASK_LOG, of.RESOURCE_DAG_CODE, of.RESOURCE_XCOM) | WORK_AT_DESK
SEE_AUDIT = _grant(READ | MENU, of.RESOURCE_AUDIT_LOG)
LEAD = (
    ANALYST
    | SEE_AUDIT
    | SIGN
    | _grant(CREATE, *(of.resource_name(dag_id, of.RESOURCE_DAG_RUN) for dag_id in STUDIES))
    # Airflow asks for both before it starts a run.
    | _grant(EDIT, *(of.resource_name(dag_id, of.RESOURCE_DAG) for dag_id in STUDIES))
)
# Neither connections nor users: whoever may point a connection elsewhere reads its password there.
OPERATOR = (
    ANALYST
    | SEE_AUDIT
    | _grant(EDIT | DELETE, of.RESOURCE_DAG)
    | _grant(CHANGE, of.RESOURCE_DAG_RUN, of.RESOURCE_TASK_INSTANCE, of.RESOURCE_BACKFILL)
    | _grant(READ | CHANGE | MENU, of.RESOURCE_VARIABLE, of.RESOURCE_POOL)
    | _grant(EDIT, of.RESOURCE_HITL_DETAIL)
    | _grant(CREATE, of.RESOURCE_ASSET)
    | _grant(MENU, of.RESOURCE_ADMIN_MENU)
)
DESK = _grant(READ, PAGE) | WORK_AT_DESK | SIGN
ROLES: dict[str, set[Permission]] = {"Viewer": VIEWER, "Analyst": ANALYST, "Lead": LEAD, "Operator": OPERATOR}


class SecurityManager(FabAirflowSecurityManagerOverride):
    """Airflow's own, with the roles of this table instead of its User and Op."""

    _ADMIN = FabAirflowSecurityManagerOverride.ROLE_CONFIGS[-1]["perms"]
    ROLE_CONFIGS = [  # noqa: RUF012 - the class that this one extends wants a list
        {"role": "Public", "perms": []},
        *({"role": name, "perms": sorted(granted)} for name, granted in ROLES.items()),
        {"role": ADMIN, "perms": [*_ADMIN, *DESK]},
    ]

    def bulk_sync_roles(self, roles: Iterable[dict[str, Any]]) -> None:
        """Give each role what the table grants; take from the table's roles what it does not."""
        super().bulk_sync_roles(roles)
        for role in self.get_all_roles():
            if role.name in ROLES:
                granted = ROLES[role.name]
                role.permissions = [one for one in role.permissions if (one.action.name, one.resource.name) in granted]
        self.session.commit()

    def update_user_auth_stat(self, user: Any, success: bool = True) -> None:
        """Note a sign-in by way of a provider too: it comes back by a link, not by a form that could be seen."""
        super().update_user_auth_stat(user, success)
        if self.auth_type in (AUTH_OAUTH, AUTH_REMOTE_USER):
            note_act("sign_in" if success else "sign_in_refused", user.username, {"done": success})

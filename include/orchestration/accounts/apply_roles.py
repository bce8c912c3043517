"""Bring the roles and the administrator into Airflow's metadata database; safe to repeat.

``python -m include.orchestration.accounts.apply_roles``, run by airflow-init and by the local stack before Airflow
starts. AIRFLOW_ADMIN_USER and AIRFLOW_ADMIN_PASSWORD name the administrator; a new password replaces the old one.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from airflow.configuration import conf
from airflow.providers.fab.auth_manager.cli_commands.utils import get_application_builder
from airflow.providers.fab.auth_manager.fab_auth_manager import FabAuthManager
from airflow.utils.providers_configuration_loader import providers_configuration_loaded
from werkzeug.security import check_password_hash

from include.orchestration.accounts.roles import ADMIN, SecurityManager
from include.surveillance.errors import ConfigurationError

AUTH_MANAGER = f"{FabAuthManager.__module__}.{FabAuthManager.__qualname__}"


@providers_configuration_loaded
def apply_roles(users: Sequence[tuple[str, str, str]] = ()) -> list[str]:
    """Make every role what the table says and every user there; return one line for each.

    Args:
        users: name, password and role; of one who exists the password is set and nothing else.

    Raises:
        ConfigurationError: Airflow has another auth manager or reads another file than ``login.py``.
    """
    if (given := conf.get("core", "auth_manager")) != AUTH_MANAGER:
        raise ConfigurationError(f"AIRFLOW__CORE__AUTH_MANAGER={given}: set it to {AUTH_MANAGER} in airflow.env")
    with get_application_builder() as appbuilder:
        manager = appbuilder.sm
        if not isinstance(manager, SecurityManager):
            raise ConfigurationError("set AIRFLOW__FAB__CONFIG_FILE to include/orchestration/accounts/login.py")
        appbuilder.add_permissions(update_perms=True)
        manager.sync_roles()
        done = [f"role {role.name}: {len(role.permissions)} permissions" for role in manager.get_all_roles()]
        return done + [_ensure_user(manager, *user) for user in users]


def _ensure_user(manager: SecurityManager, name: str, password: str, role: str) -> str:
    user = manager.find_user(name)
    if user is None:
        manager.add_user(name, name, role, f"{name}@localhost", manager.find_role(role), password)
        return f"user {name}: made, {role}"
    if check_password_hash(user.password or "", password):
        return f"user {name}: as it was"
    manager.reset_password(user.id, password)
    return f"user {name}: new password"


def main() -> None:
    administrator = os.environ["AIRFLOW_ADMIN_USER"], os.environ["AIRFLOW_ADMIN_PASSWORD"], ADMIN
    for line in apply_roles([administrator]):
        print(line)  # noqa: T201 - a command's output


if __name__ == "__main__":
    main()

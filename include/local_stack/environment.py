"""The environment variables that every component of the local stack gets."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path

from dotenv import dotenv_values

from include.deployment import VENDOR, write_variables
from include.embedded_warehouse.certificates import ensure_certificates
from include.local_stack import monitoring
from include.local_stack.errors import StackError
from include.local_stack.market import Market
from include.local_stack.ports import HOST, Ports
from include.local_stack.postgres import ROLES, data_folder

ROOT = Path(__file__).resolve().parents[2]
ADMIN = "admin"
WAREHOUSE = {"account": "embedded", "database": "MARKET", "warehouse": "SURVEILLANCE", "role": "SURVEILLANCE"}
# Set in many containers; without bytecode every process of Airflow takes seconds longer to start.
UNWANTED = ("PYTHONDONTWRITEBYTECODE",)


def user_environment() -> dict[str, str]:
    """Return what the user has set: the shell's variables over those of ``.env``.

    Raises:
        StackError: as ``name_vendor`` does.
    """
    return name_vendor({**_read(ROOT / ".env"), **os.environ})


def name_vendor(user: Mapping[str, str]) -> dict[str, str]:
    """Return the user's environment with the vendor's key and address under one name each.

    Polygon calls itself Massive now: ``MASSIVE_API_KEY`` and ``MASSIVE_BASE_URL`` are as good as ``POLYGON_...``.

    Raises:
        StackError: both names are set, and differ.
    """
    named = dict(user)
    for what in ("API_KEY", "BASE_URL"):
        given = {name: named.pop(name, "").strip() for name in (f"POLYGON_{what}", f"MASSIVE_{what}")}
        values = {value for value in given.values() if value}
        if len(values) > 1:
            raise StackError(f"{' and '.join(given)} are both set and differ; they mean the same, so unset one of them")
        named |= {f"POLYGON_{what}": value for value in values}
    return named


def uses_vendor(user: Mapping[str, str], credentials: Mapping[str, str]) -> bool:
    """Whether the user gave an API key of the vendor, not none or the simulator's."""
    return user.get("POLYGON_API_KEY", "") not in ("", credentials["SIMULATOR_API_KEY"])


def build_environment(
    state: Path, ports: Ports, credentials: Mapping[str, str], market: Market, user: Mapping[str, str]
) -> dict[str, str]:
    """Merge Airflow's shared settings, over them the user's variables, over both what the stack decides."""
    files = ((ROOT / name, ROOT / f"{name}.example") for name in ("airflow.env", "channels.env", "watchdog.env"))
    shared = {name: value for own, example in files for name, value in _read(own if own.exists() else example).items()}
    base = {name: value for name, value in {**shared, **user}.items() if name not in UNWANTED}
    return {
        **base,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{base.get('PATH', os.defpath)}",
        "PYTHONPATH": str(ROOT),
        "STACK_STATE": str(state),
        "DBT_DOCS_DIR": str(state / "dbt-docs"),
        "REPORTS_FOLDER": str(state / "reports"),
        "FEATURES_PYTHON": str(state / "feature-store" / "bin" / "python"),
        "LOGIN_SETTINGS": base.get("LOGIN_SETTINGS", ""),
        **market.environment(),
        **_airflow(state, ports, credentials, base),
        **_connections(ports, credentials, market, base),
        **_warehouse(state, ports, credentials),
        **_watchdog(state, ports, base),
        **monitoring.environment(ports, base),
    }


def _watchdog(state: Path, ports: Ports, base: Mapping[str, str]) -> dict[str, str]:
    folders = [str(state), str(data_folder(state)), *base.get("WATCHDOG_FOLDERS", "").split(os.pathsep)]
    return {
        "WATCHDOG_AIRFLOW": f"http://{HOST}:{ports.airflow}",
        "WATCHDOG_WAREHOUSE": f"https://{HOST}:{ports.warehouse}",
        "WATCHDOG_FOLDERS": os.pathsep.join(dict.fromkeys(filter(None, folders))),
        "WATCHDOG_STATE": str(state / "watchdog.json"),
        "WATCHDOG_RESTART": shlex.join([sys.executable, "-m", "include.local_stack", "restart"]),
    }


def _airflow(state: Path, ports: Ports, credentials: Mapping[str, str], base: Mapping[str, str]) -> dict[str, str]:
    web = f"http://{HOST}:{ports.airflow}"
    return {
        "AIRFLOW_HOME": str(state / "airflow"),
        "AIRFLOW_ADMIN_USER": ADMIN,
        "AIRFLOW_ADMIN_PASSWORD": credentials["AIRFLOW_ADMIN_PASSWORD"],
        "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(ROOT / "plugins"),
        "AIRFLOW__CORE__FERNET_KEY": credentials["FERNET_KEY"],
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://{HOST}:{ports.execution_api}/execution/",
        "AIRFLOW__API__HOST": HOST,
        "AIRFLOW__API__PORT": str(ports.airflow),
        # Where links in messages lead, for whoever reads them elsewhere.
        "AIRFLOW__API__BASE_URL": base.get("PUBLIC_URL") or web,
        "AIRFLOW__FAB__CONFIG_FILE": str(ROOT / "include" / "orchestration" / "accounts" / "login.py"),
        "AIRFLOW__API__SECRET_KEY": credentials["API_SECRET_KEY"],
        "AIRFLOW__API_AUTH__JWT_SECRET": credentials["JWT_SECRET"],
    }


def _connections(
    ports: Ports, credentials: Mapping[str, str], market: Market, base: Mapping[str, str]
) -> dict[str, str]:
    if market.mode == "vendor":
        address, key = base.get("POLYGON_BASE_URL") or VENDOR, base["POLYGON_API_KEY"]
    else:
        address, key = f"http://{HOST}:{ports.simulator}", credentials["SIMULATOR_API_KEY"]
    polygon = {"POLYGON_BASE_URL": address, "POLYGON_API_KEY": key}
    given = {
        **{name: credentials[name] for name in (*ROLES.values(), "REDIS_PASSWORD")},
        "MAINTENANCE_DB_PASSWORD": credentials["AIRFLOW_DB_PASSWORD"],
        "POSTGRES": f"{HOST}:{ports.postgres}",
        "REDIS": f"{HOST}:{ports.redis}",
        "KAFKA": f"{HOST}:{ports.kafka}",
        **polygon,
        **_warehouse_login(ports, credentials),
    }
    watchlist = market.watchlist(base)
    return {
        **write_variables(given),
        **polygon,
        **({"AIRFLOW_VAR_WATCHLIST": watchlist} if watchlist else {}),
        "SIMULATOR_API_KEY": credentials["SIMULATOR_API_KEY"],
        "POLYGON_CALLS_PER_MINUTE": base.get("POLYGON_CALLS_PER_MINUTE") or "0",
        # The simulator asks for no fair use.
        "POLYGON_CALLS_PER_SECOND": base.get("POLYGON_CALLS_PER_SECOND") or ("" if market.mode == "vendor" else "0"),
        "POLYGON_CLIENT": base.get("POLYGON_CLIENT", ""),
        "KAFKA_PARTITIONS": base.get("KAFKA_PARTITIONS") or "4",
        # This process reads the topics too, under the names that its own shell gives them.
        "KAFKA_PREFIX": os.environ.get("KAFKA_PREFIX", ""),
    }


def _warehouse(state: Path, ports: Ports, credentials: Mapping[str, str]) -> dict[str, str]:
    """Return variables for dbt and a shell; thanks to the stack's own CA no setting differs from the cloud's."""
    return {
        **_warehouse_login(ports, credentials),
        "WAREHOUSE_PASSWORD": credentials["WAREHOUSE_PASSWORD"],
        "REQUESTS_CA_BUNDLE": str(ensure_certificates(state / "warehouse" / "tls").bundle),
    }


def _warehouse_login(ports: Ports, credentials: Mapping[str, str]) -> dict[str, str]:
    return {
        **{f"SNOWFLAKE_{name.upper()}": value for name, value in WAREHOUSE.items()},
        "SNOWFLAKE_USER": "surveillance",
        "SNOWFLAKE_PASSWORD": credentials["WAREHOUSE_PASSWORD"],
        "SNOWFLAKE_PRIVATE_KEY_PATH": "",
        "SNOWFLAKE_HOST": HOST,
        "SNOWFLAKE_PORT": str(ports.warehouse),
    }


def _read(file: Path) -> dict[str, str]:
    return {name: value for name, value in dotenv_values(file).items() if value}

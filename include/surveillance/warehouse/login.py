"""The login to the warehouse that a shell has, in the SNOWFLAKE_* variables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from typing import Any

import snowflake.connector
from snowflake.connector import SnowflakeConnection

from include.surveillance.errors import ConfigurationError
from include.surveillance.warehouse.statements import as_warehouse_error

NAMES = ("account", "user", "password", "host", "port", "warehouse", "role", "database")
NEEDED = ("account", "user", "database")


def read_login(environment: Mapping[str, str]) -> dict[str, Any]:
    """Return the connector's arguments; with a private key the password is its passphrase.

    Raises:
        ConfigurationError: a variable that every login needs is missing.
    """
    given = {name: value for name in NAMES if (value := environment.get(f"SNOWFLAKE_{name.upper()}"))}
    if missing := [f"SNOWFLAKE_{name.upper()}" for name in NEEDED if name not in given]:
        raise ConfigurationError(
            f"{', '.join(missing)} is not set; load the variables of .env first: set -a; . ./.env; set +a"
        )
    if key := environment.get("SNOWFLAKE_PRIVATE_KEY_PATH"):
        return {"private_key_file": key, "private_key_file_pwd": given.pop("password", None), **given}
    return given


@contextmanager
def open_warehouse(environment: Mapping[str, str]) -> Iterator[SnowflakeConnection]:
    """Open a connection for one look at the warehouse.

    Raises:
        ConfigurationError: as of ``read_login``.
        WarehouseError: the warehouse refuses the login, or cannot be reached.
    """
    login = read_login(environment)
    with as_warehouse_error(f"log in to {login['account']}"):
        connection = snowflake.connector.connect(**login, login_timeout=20, network_timeout=600)
    with closing(connection):
        yield connection

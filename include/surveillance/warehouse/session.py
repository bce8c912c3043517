"""What the platform needs of a session: a warehouse that is awake or wakes, and formats that read what it sends."""

from __future__ import annotations

from collections.abc import Iterable

from snowflake.connector import SnowflakeConnection

from include.surveillance.errors import ConfigurationError

NEEDED = {"QUOTED_IDENTIFIERS_IGNORE_CASE": "false", "DATE_INPUT_FORMAT": "AUTO", "TIMESTAMP_INPUT_FORMAT": "AUTO"}
"""Parameters as Snowflake has them where nobody has changed them for account or user."""


def check_session(connection: SnowflakeConnection) -> dict[str, str]:
    """Return the warehouse, the database and the role that a session works with.

    Raises:
        ConfigurationError: it has none of one of them, or a parameter by which statements would mean something else.
    """
    cursor = connection.cursor()
    cursor.execute("select current_warehouse(), current_database(), current_role()")
    found = dict(zip(("warehouse", "database", "role"), cursor.fetchall()[0], strict=True))
    if missing := [name for name, value in found.items() if value is None]:
        raise ConfigurationError(
            f"the session has no {' and no '.join(missing)}: it does not exist, or the role may not use it; "
            "see docs/start/snowflake.md, then name it in the connection snowflake_default or in SNOWFLAKE_*"
        )
    cursor.execute("show parameters in session")
    check_parameters((name, value) for name, value, *_ in cursor.fetchall())
    return found


def check_parameters(given: Iterable[tuple[str, str]]) -> None:
    """Compare a session's parameters with what the platform's statements take for granted.

    Raises:
        ConfigurationError: one has another value.
    """
    wrong = {name: value for name, value in given if NEEDED.get(name, value).lower() != value.lower()}
    if wrong:
        said = ", ".join(f"{name} is {value} instead of {NEEDED[name]}" for name, value in wrong.items())
        reset = " ".join(f"{name} = {NEEDED[name]}" for name in wrong)
        raise ConfigurationError(f"{said}; run for the platform's user: alter user <user> set {reset}")

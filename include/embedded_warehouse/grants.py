"""Grants on tables and views: remembered and shown, because dbt compares them. Nobody is kept from anything by them.

They stay when a table is made anew, as with COPY GRANTS, and are gone when the server ends: dbt then grants again.
"""

from __future__ import annotations

import re
import threading

from fakesnow.fakes import FakeSnowflakeConnection as Connection

NAME = r'(?:"(?:[^"]|"")+"|\w+)'
OBJECT = rf"(?:(?:table|view)\s+)?({NAME}(?:\.{NAME}){{0,2}})"
END = r"(?:\s|;|/\*.*?\*/)*$"  # dbt's comment stands before its semicolon
GRANT = re.compile(
    rf"(grant|revoke)\s+(\w+)\s+on\s+{OBJECT}\s+(?:to|from)\s+(?:role\s+)?({NAME}){END}", re.IGNORECASE | re.DOTALL
)
SHOW = re.compile(rf"show\s+grants\s+on\s+{OBJECT}{END}", re.IGNORECASE | re.DOTALL)
COLUMNS = ("created_on", "privilege", "granted_on", "name", "granted_to", "grantee_name", "grant_option", "granted_by")

_lock = threading.Lock()
_grants: dict[str, set[tuple[str, str]]] = {}


def change(connection: Connection, command: str) -> None:
    """Remember or forget one privilege of one role on one table or view; any other GRANT or REVOKE has no effect."""
    if not (match := GRANT.match(command)):
        return
    verb, privilege, name, role = match.groups()
    with _lock:
        granted = _grants.setdefault(_qualify(connection, name), set())
        (granted.add if verb.lower() == "grant" else granted.discard)((privilege.upper(), _stored(role)))


def show(connection: Connection, command: str) -> str:
    """Write what SHOW GRANTS ON a table or view answers: a row for each grant; no row for anything else."""
    match = SHOW.match(command)
    name = _qualify(connection, match[1]) if match else ""
    with _lock:
        granted = sorted(_grants.get(name, ()))
    rows = [("", "", "", "", ""), *((privilege, "TABLE", name, "ROLE", role) for privilege, role in granted)]
    values = ", ".join(
        "(null::timestamp_ntz, {}, false, '')".format(", ".join(f"'{_escape(text)}'" for text in row)) for row in rows
    )
    names = ", ".join(f'"{column}"' for column in COLUMNS)
    return f"select * from (values {values}) as grants ({names}) where \"privilege\" <> ''"


def _qualify(connection: Connection, name: str) -> str:
    parts = [_stored(part) for part in re.findall(NAME, name)]
    around = (connection.database or "", connection.schema or "")
    return ".".join([*around[: 3 - len(parts)], *parts])


def _stored(name: str) -> str:
    return name[1:-1].replace('""', '"') if name.startswith('"') else name.upper()


def _escape(text: str) -> str:
    return text.replace("'", "''")

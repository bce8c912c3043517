"""PostgreSQL: one cluster on 127.0.0.1 with two databases, each owned by a role of its own, and one who reads."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

import psycopg2
from psycopg2 import sql

from include.local_stack.errors import StackError
from include.local_stack.ports import HOST
from include.local_stack.prerequisites import postgres_programs

SERVER_USER = "postgres"
DATABASES = {"airflow": "AIRFLOW_DB_PASSWORD", "surveillance": "SURVEILLANCE_DB_PASSWORD"}
# Role -> its password.
ROLES = {
    **DATABASES,
    "surveillance_reader": "SURVEILLANCE_READER_PASSWORD",
    "surveillance_desk": "SURVEILLANCE_DESK_PASSWORD",
}


def server_user() -> str | None:
    """Return the server's user, because PostgreSQL refuses to run as root; None means the current user."""
    return SERVER_USER if os.geteuid() == 0 else None


def as_server_user() -> list[str]:
    """Return what a command must begin with to run as the server's user."""
    user = server_user()
    return ["setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups"] if user else []


def data_folder(state: Path) -> Path:
    """Return the cluster's folder: in the state folder or, when the server's user cannot enter that, under /var/tmp."""
    if server_user() is None or _can_enter(state):
        return state / "postgres"
    return outside_folder(state) / "postgres"


def outside_folder(state: Path) -> Path:
    """Return the folder under /var/tmp that belongs to a state folder, whether it exists or not."""
    return Path("/var/tmp") / f"surveillance-{hashlib.sha256(str(state.resolve()).encode()).hexdigest()[:12]}"


def move_data(state: Path) -> None:
    """Move a cluster of the state folder, which the server's user could once enter, to where ``data_folder`` is now.

    Raises:
        StackError: the folder around it belongs to another user.
    """
    earlier, data = state / "postgres", data_folder(state)
    if data != earlier and (earlier / "PG_VERSION").exists() and not data.exists():
        _make_parent(data)
        shutil.move(earlier, data)
        for path in (data, *data.rglob("*")):
            shutil.chown(path, SERVER_USER, SERVER_USER)


def create_cluster(data: Path, password: str) -> None:
    """Make an empty cluster in ``data``, unless there is one; it checks passwords by SCRAM.

    Raises:
        StackError: initdb failed, and the message carries its last lines; or the folder around it is another user's.
    """
    if (data / "PG_VERSION").exists():
        return
    shutil.rmtree(data, ignore_errors=True)
    _make_parent(data)
    data.mkdir(mode=0o700)
    if user := server_user():
        shutil.chown(data, user, user)
    with tempfile.NamedTemporaryFile("w") as password_file:
        password_file.write(password)
        password_file.flush()
        if user:
            shutil.chown(password_file.name, user)
        initdb = [str(postgres_programs() / "initdb"), "-D", str(data), "-U", SERVER_USER, "-E", "UTF8", "--no-locale"]
        initdb += ["--auth=scram-sha-256", f"--pwfile={password_file.name}"]
        run = subprocess.run([*as_server_user(), *initdb], capture_output=True, text=True, cwd="/")
    if run.returncode:
        shutil.rmtree(data, ignore_errors=True)
        raise StackError(f"PostgreSQL could not make {data}:\n{(run.stdout + run.stderr).strip()[-1500:]}")


def change_password(data: Path, password: str) -> None:
    """Give the administrator of a stopped cluster another password.

    Raises:
        StackError: PostgreSQL refused; the message carries its last lines.
    """
    quoted = password.replace("'", "''")
    single = [*as_server_user(), str(postgres_programs() / "postgres"), "--single", "-D", str(data), "postgres"]
    statement = f"alter role {SERVER_USER} password '{quoted}'\n"
    run = subprocess.run(single, input=statement, capture_output=True, text=True, cwd="/")
    if run.returncode or "ERROR" in run.stderr:
        raise StackError(f"PostgreSQL could not change the password in {data}:\n{run.stderr.strip()[-1500:]}")


def command(data: Path, port: int) -> list[str]:
    """Return the command that runs the server on a cluster."""
    settings = {
        "listen_addresses": HOST,
        "port": port,
        # One way in; a socket's path could also be too long.
        "unix_socket_directories": "",
        "max_connections": 200,
        # A crash may lose the last half second of Airflow's own state, never its consistency: tasks run again.
        "synchronous_commit": "off",
    }
    options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    return [str(postgres_programs() / "postgres"), "-D", str(data), *options]


def answers(port: int, password: str) -> bool:
    """Whether the server accepts the administrator."""
    return _refusal(port, password) is None


def accepts(port: int, password: str) -> bool:
    """Whether the server that starts accepts the administrator by now.

    Raises:
        StackError: it never will, for it has another password.
    """
    refusal = _refusal(port, password)
    if refusal and "password authentication failed" in refusal:
        raise StackError(
            "PostgreSQL's data has another password than secrets.env: it is left of a state folder that was removed by "
            "hand; `make clean` removes it, or put the secrets.env of before back"
        )
    return refusal is None


def _refusal(port: int, password: str) -> str | None:
    try:
        _connect(port, password).close()
    except psycopg2.OperationalError as error:
        return str(error)
    return None


def create_databases(port: int, credentials: Mapping[str, str]) -> None:
    """Make each database and its owner, unless they exist; nobody else may connect. Passwords are set anew."""
    connection = _connect(port, credentials["POSTGRES_PASSWORD"])
    connection.autocommit = True
    with connection.cursor() as cursor:
        for name, secret in ROLES.items():
            names = {"name": sql.Identifier(name), "password": sql.Literal(credentials[secret])}
            cursor.execute("select 1 from pg_roles where rolname = %s", [name])
            if cursor.fetchone() is None:
                cursor.execute(sql.SQL("create role {name} login").format(**names))
            # At each start: a password that has been rotated holds from then on.
            cursor.execute(sql.SQL("alter role {name} password {password}").format(**names))
        for name in DATABASES:
            names = {"name": sql.Identifier(name)}
            cursor.execute("select 1 from pg_database where datname = %s", [name])
            if cursor.fetchone() is None:
                cursor.execute(sql.SQL("create database {name} owner {name}").format(**names))
                cursor.execute(sql.SQL("revoke connect on database {name} from public").format(**names))
        # What the page asks ends, whatever somebody asks for, and changes nothing.
        cursor.execute(
            """
            grant connect on database surveillance to surveillance_reader;
            grant pg_read_all_data to surveillance_reader;
            alter role surveillance_reader set default_transaction_read_only = on;
            alter role surveillance_reader set statement_timeout = '10s';
            grant connect on database surveillance to surveillance_desk;
            """
        )
        # An alert that has been taken off Kafka is on the disk, and so is what somebody was told is done.
        for name in ("surveillance", "surveillance_desk"):
            names = {"name": sql.Identifier(name)}
            cursor.execute(sql.SQL("alter role {name} set synchronous_commit = on").format(**names))
    connection.close()


def _make_parent(data: Path) -> None:
    """Make the folder around a cluster; the server's user must be able to enter it, where that is another one."""
    data.parent.mkdir(parents=True, exist_ok=True)
    if data.parent.stat().st_uid != os.geteuid():
        raise StackError(f"{data.parent} belongs to another user: remove it or set STACK_STATE to another folder")
    if server_user():
        data.parent.chmod(data.parent.stat().st_mode | 0o111)


def _connect(port: int, password: str) -> psycopg2.extensions.connection:
    return psycopg2.connect(
        host=HOST, port=port, user=SERVER_USER, password=password, dbname="postgres", connect_timeout=3
    )


def _can_enter(folder: Path) -> bool:
    return subprocess.run([*as_server_user(), "test", "-x", str(folder)], capture_output=True, cwd="/").returncode == 0

"""Writes the addresses and connections of Airflow's processes from hosts and passwords, whatever signs these have.

Which market and which warehouse follows from what the user has given: a key of the vendor's or an account of
Snowflake's alone is enough; without them a container has the simulator and the embedded warehouse.

As a command it runs a container's program with all that: ``python -m include.deployment airflow scheduler``. It imports
nothing heavy, because every program of a container would wait for it.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote

from include.polygon_simulator.universe import GENERATED

Variables = dict[str, str]
KAFKA_USER = "surveillance"
SNOWFLAKE = ("account", "database", "warehouse", "role", "host")
VENDOR = "https://api.polygon.io"
# The calendars of the vendor's market and of the generated one, which never closes.
OWN_CALENDAR, GENERATED_CALENDAR = "XNYS", "24/7"
EMBEDDED = "embedded"
# Of Redis; the others are Celery's and the rate limit's.
FEATURES_DATABASE = "3"


def _metadata(given: Mapping[str, str]) -> Variables:
    password = quote(given["AIRFLOW_DB_PASSWORD"], safe="")
    url = f"postgresql+psycopg2://airflow:{password}@{given['POSTGRES']}/airflow"
    return {"AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": url}


def _redis(given: Mapping[str, str]) -> Variables:
    password, address = given["REDIS_PASSWORD"], given["REDIS"]
    url = f"redis://:{quote(password, safe='')}@{address}"
    return {
        "AIRFLOW__CELERY__BROKER_URL": f"{url}/0",
        "AIRFLOW__CELERY__RESULT_BACKEND": f"{url}/1",
        # Next to Celery's broker and results; read only when POLYGON_CALLS_PER_MINUTE is set.
        **_connection("rate_limit", "redis", password, **_address(address), schema="2"),
        **_connection("feature_store", "redis", password, **_address(address), schema=FEATURES_DATABASE),
    }


def _application(given: Mapping[str, str]) -> Variables:
    return _database("surveillance_db", given["POSTGRES"], "surveillance", given["SURVEILLANCE_DB_PASSWORD"])


def _reader(given: Mapping[str, str]) -> Variables:
    login = {"schema": "surveillance", "login": "surveillance_reader"}
    password = given["SURVEILLANCE_READER_PASSWORD"]
    return _connection("surveillance_reader", "postgres", password, **_address(given["POSTGRES"]), **login)


def _desk(given: Mapping[str, str]) -> Variables:
    login = {"schema": "surveillance", "login": "surveillance_desk"}
    password = given["SURVEILLANCE_DESK_PASSWORD"]
    return _connection("surveillance_desk", "postgres", password, **_address(given["POSTGRES"]), **login)


def _maintenance(given: Mapping[str, str]) -> Variables:
    # Tasks cannot reach Airflow's metadata but by a connection; pruning it needs one.
    return _database("airflow_db", given["POSTGRES"], "airflow", given["MAINTENANCE_DB_PASSWORD"])


def _kafka(given: Mapping[str, str]) -> Variables:
    extra = {"bootstrap.servers": given["KAFKA"]}
    if password := given.get("KAFKA_PASSWORD"):
        extra |= {"security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": "PLAIN"}
        extra |= {"sasl.username": KAFKA_USER, "sasl.password": password}
    return _connection("kafka_default", "kafka", extra=extra)


def _market(given: Mapping[str, str]) -> Variables:
    own = given.get("OWN_VENDOR")
    calendar = OWN_CALENDAR if own else GENERATED_CALENDAR
    market = {"MARKET_CALENDAR": calendar, "POLL_CALENDAR": calendar}
    if not own:
        market["POLYGON_CALLS_PER_SECOND"] = "0"  # the simulator asks for no fair use
    # The environment wins over a Variable of Airflow's, even when it is empty there.
    if watchlist := given.get("WATCHLIST") or ("" if own else ",".join(item.symbol for item in GENERATED)):
        market["AIRFLOW_VAR_WATCHLIST"] = watchlist
    return market


def _polygon(given: Mapping[str, str]) -> Variables:
    host = given.get("POLYGON_BASE_URL") or VENDOR
    if "SIMULATOR" in given and not given.get("OWN_VENDOR"):
        host = f"http://{given['SIMULATOR']}"
    return _connection("polygon_default", "http", given["POLYGON_API_KEY"], host=host)


def _account(given: Mapping[str, str]) -> Variables:
    account = given.get("SNOWFLAKE_ACCOUNT") or EMBEDDED
    host, _, port = given["WAREHOUSE"].rpartition(":")
    if account != EMBEDDED:
        host, port = f"{account}.snowflakecomputing.com", "443"
    return {"SNOWFLAKE_ACCOUNT": account, "SNOWFLAKE_HOST": host, "SNOWFLAKE_PORT": port}


def _warehouse(given: Mapping[str, str]) -> Variables:
    if "WAREHOUSE" in given:
        given = _completed(given, _account(given))
    extra: dict[str, object] = {name: given[f"SNOWFLAKE_{name.upper()}"] for name in SNOWFLAKE}
    extra["port"] = int(given["SNOWFLAKE_PORT"])
    if key := given.get("SNOWFLAKE_PRIVATE_KEY_PATH"):
        extra["private_key_file"] = key
    login = {"login": given["SNOWFLAKE_USER"], "schema": "RAW"}
    return _connection("snowflake_default", "snowflake", given["SNOWFLAKE_PASSWORD"], **login, extra=extra)


# What a process is given -> what is written of it. Nothing is written of what it is not given.
WRITERS: dict[str, Callable[[Mapping[str, str]], Variables]] = {
    "AIRFLOW_DB_PASSWORD": _metadata,
    "MAINTENANCE_DB_PASSWORD": _maintenance,
    "REDIS_PASSWORD": _redis,
    "SURVEILLANCE_DB_PASSWORD": _application,
    "SURVEILLANCE_READER_PASSWORD": _reader,
    "SURVEILLANCE_DESK_PASSWORD": _desk,
    "KAFKA": _kafka,
    "SIMULATOR": _market,
    "WAREHOUSE": _account,
    "POLYGON_API_KEY": _polygon,
    "SNOWFLAKE_PASSWORD": _warehouse,
}


def write_variables(given: Mapping[str, str]) -> Variables:
    """Write Airflow's variables of everything that is given.

    Args:
        given: the keys of ``WRITERS``, of which KAFKA, SIMULATOR and WAREHOUSE are addresses (host:port), and beside
            them POSTGRES and REDIS, the SNOWFLAKE_* variables, OWN_VENDOR (empty: the key is the simulator's),
            WATCHLIST and, for a vendor at another address, POLYGON_BASE_URL.
    """
    return {name: value for key, write in WRITERS.items() if given.get(key) for name, value in write(given).items()}


def complete(given: Mapping[str, str]) -> Variables:
    """Return the variables with those that are written of them; what is set, and not empty, stays as it is."""
    return _completed(given, write_variables(given))


def _completed(given: Mapping[str, str], written: Variables) -> Variables:
    return {**given, **written, **{name: value for name, value in given.items() if value}}


def _connection(conn_id: str, conn_type: str, password: str | None = None, **fields: Any) -> Variables:
    known = {"conn_type": conn_type, **fields, **({"password": password} if password else {})}
    return {f"AIRFLOW_CONN_{conn_id.upper()}": json.dumps(known)}


def _database(conn_id: str, address: str, role: str, password: str) -> Variables:
    return _connection(conn_id, "postgres", password, **_address(address), schema=role, login=role)


def _address(text: str) -> dict[str, Any]:
    host, _, port = text.rpartition(":")
    return {"host": host, "port": int(port)}


def main(command: list[str]) -> None:
    """Become ``command``; a variable that is set already stays as it is, e.g. a connection of the user's own."""
    os.environ.update(complete(os.environ))
    os.execvp(command[0], command)


if __name__ == "__main__":
    main(sys.argv[1:])

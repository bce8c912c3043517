"""Opens the feature store, serves what is known online, and reads it: online for now, offline as it was known.

The registry is made of ``definitions`` each time, in a folder that goes with the process. What it would remember, up to
when features were served, nobody needs: a run reads all that is not too old, and Redis takes only what is newer.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pandas as pd
from feast import FeatureStore, RepoConfig

from include.feature_store import REDIS
from include.feature_store.definitions import ALERT_TRIAGE, LIFETIME, SYMBOL, TIMESPAN, VIEWS
from include.surveillance.errors import ConfigurationError
from include.surveillance.warehouse.login import read_login

PROJECT = "surveillance"
LABELLED_ALERTS = Path(__file__).with_name("labelled_alerts.sql").read_text()


@contextmanager
def open_store(environment: Mapping[str, str]) -> Iterator[FeatureStore]:
    """Open the store that the variables SNOWFLAKE_* and FEATURE_STORE_REDIS name.

    Raises:
        ConfigurationError: a variable is missing, or its value cannot be used.
    """
    with tempfile.TemporaryDirectory(prefix="feature-store-") as folder:
        config = RepoConfig(
            project=PROJECT,
            provider="local",
            registry={"registry_type": "file", "path": f"{folder}/registry.db"},
            offline_store=_offline(environment),
            online_store={
                "type": "redis",
                "connection_string": write_connection(environment.get(REDIS, "")),
                "key_ttl_seconds": int(LIFETIME.total_seconds()),
            },
            entity_key_serialization_version=3,
        )
        store = FeatureStore(config=config)
        store.apply([SYMBOL, TIMESPAN, *VIEWS, ALERT_TRIAGE])
        yield store


def serve(store: FeatureStore, at: datetime | None = None) -> str:
    """Bring into Redis, for each symbol, what is known at a time (now without one) and not older than LIFETIME.

    Returns the time, in ISO 8601.
    """
    until = at or datetime.now(UTC)
    store.materialize(until - LIFETIME, until)
    return until.isoformat(timespec="milliseconds")


def read_online(store: FeatureStore, symbol: str, timespan: str = "minute") -> dict[str, Any]:
    """Read what was last served of a symbol: a value per feature, None where nothing is known."""
    rows = [{"symbol": symbol, "timespan": timespan}]
    answer = store.get_online_features(features=store.get_feature_service(ALERT_TRIAGE.name), entity_rows=rows)
    return {name: values[0] for name, values in answer.to_dict().items()}


def read_as_known(store: FeatureStore, rows: str = LABELLED_ALERTS) -> pd.DataFrame:
    """Join features to rows, as they were known at each row's ``event_timestamp``.

    Args:
        rows: a query whose columns, named in quotes, are symbol, timespan, event_timestamp (UTC) and any others, such
            as a label; the alerts that people have judged unless given.

    Raises:
        feast.errors.EntitySQLEmptyResults: the query has no rows.
    """
    service = store.get_feature_service(ALERT_TRIAGE.name)
    return store.get_historical_features(entity_df=rows, features=service).to_df()


def write_connection(url: str) -> str:
    """Write the address of a Redis, redis://:password@host:port/database, as Feast reads it.

    Raises:
        ConfigurationError: it lacks a part, or its password has a comma, with which Feast separates words.
    """
    parts = urlsplit(url)
    database, password = parts.path.strip("/"), unquote(parts.password or "")
    if parts.scheme not in ("redis", "rediss") or not (parts.hostname and database.isdecimal()):
        raise ConfigurationError(
            f"{REDIS} must be redis://:password@host:port/database; it names host {parts.hostname} and "
            f"database {database or None}: set it, or the connection feature_store"
        )
    if "," in password:
        raise ConfigurationError(
            f"the password in {REDIS} has a comma, which Feast cannot take: give the feature store's Redis another one"
        )
    words = [f"{parts.hostname}:{parts.port or 6379}", f"db={database}"]
    # Read as JSON: without quotes a password of digits would be a number.
    words += [f"password={json.dumps(password)}"] * bool(password)
    words += [f"username={json.dumps(unquote(parts.username))}"] if parts.username else []
    return ",".join([*words, *["ssl=true"] * (parts.scheme == "rediss")])


def _offline(environment: Mapping[str, str]) -> dict[str, Any]:
    login = read_login(environment)
    if key := login.pop("private_key_file", None):
        login |= {"private_key": key, "private_key_passphrase": login.pop("private_key_file_pwd")}
    # What Feast does not know it hands on to the connector, such as host and port.
    limits = {"login_timeout": 20, "network_timeout": 600}
    return {"type": "snowflake.offline", "config_path": "", "schema": "ANALYTICS", **login, **limits}

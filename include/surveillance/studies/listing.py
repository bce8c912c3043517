"""Alerts as a list: each once, as it was at its strongest, chosen and ordered as people ask for it."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from msgspec import structs

from include.surveillance import broker
from include.surveillance.alerts import market_events
from include.surveillance.alerts.kinds import Kind, kind_of
from include.surveillance.alerts.ranking import UNEXPLAINED
from include.surveillance.broker import Kafka
from include.surveillance.detection.rules.registry import RULES
from include.surveillance.errors import ConfigurationError
from include.surveillance.files.tables import as_file_error
from include.surveillance.records import Alert
from include.surveillance.severities import SEVERITIES, Severity
from include.surveillance.studies.export import read_topic
from include.surveillance.timespans import SPAN_MS, write_new_york

Order = Literal["score", "time"]

COLUMNS = (
    *("new_york", "severity", "score", "symbol", "timespan", "rule", "direction", "form", "kind", "value", "threshold"),
    *("firings", "session_phase", "tag", "tag_evidence", "inhibited_by", "explanation", "ts_ms", "first_ms", "last_ms"),
    "event_id",
)
"""What is shown of an alert; ``new_york`` and ``ts_ms`` are the start of the bar that is shown, ``first_ms`` and
``last_ms`` those of the first and the last bar that it was told of."""
FIELDS = Alert.__struct_fields__
NEEDED = ("event_id", "symbol", "timespan", "rule", "ts_ms", "score", "severity")


def read_alert_rows(path: Path) -> pd.DataFrame:
    """Read the rows of an ``alerts.parquet``, of all columns of an alert; those that the file lacks are empty.

    Args:
        path: the file, as ``replay`` and ``export`` write it, or the folder that has it.

    Raises:
        ConfigurationError: the file cannot be read or lacks a column.
    """
    path = path / "alerts.parquet" if path.is_dir() else path
    with as_file_error(path):
        table = pq.read_table(path)
    if missing := [name for name in NEEDED if name not in table.column_names]:
        raise ConfigurationError(
            f"{path} lacks column {', '.join(missing)}; give an alerts.parquet that replay has written"
        )
    return table.to_pandas().reindex(columns=list(FIELDS))


def read_log_alerts(kafka: Kafka) -> list[dict[str, Any]]:
    """Read all messages of the log's alerts, partition by partition, each with the fields of an alert.

    Raises:
        BrokerError: Kafka cannot be reached.
    """
    return [structs.asdict(alert) for batch in read_topic(kafka, broker.ALERTS, Alert) for alert in batch]


def list_alerts(rows: pd.DataFrame) -> pd.DataFrame:
    """Return one row per alert that stands, with ``COLUMNS``, in order of time.

    The messages of one alert, or the rows of its firing bars, share ``event_id``. That of the highest score is shown,
    the earliest of several; an alert whose last message retracts it does not stand.
    """
    last = rows.drop_duplicates("event_id", keep="last")
    standing = rows[rows["event_id"].isin(last.loc[last["status"] != "retracted", "event_id"])]
    groups = standing.groupby("event_id", sort=False)
    strongest = standing.loc[groups["score"].idxmax()].set_index("event_id")
    strongest["first_ms"], strongest["last_ms"] = groups["ts_ms"].min(), groups["ts_ms"].max()
    strongest["firings"] = groups["firings"].max()
    # News that came later explains the alert as it was at its strongest, too.
    newest = last.set_index("event_id")
    strongest["tag"], strongest["tag_evidence"] = newest["tag"], newest["tag_evidence"].map(_join_evidence)
    listed = strongest.reset_index()
    moments = [write_new_york(ts_ms) for ts_ms in listed["ts_ms"].tolist()]
    listed = listed.assign(new_york=moments, kind=[kind_of(rule) for rule in listed["rule"].tolist()])
    return listed.sort_values(["ts_ms", "symbol", "rule"], ignore_index=True).loc[:, list(COLUMNS)]


def _join_evidence(evidence: object) -> str:
    """Write evidence as text, however it came: from a file of before there were tags there is none."""
    return ", ".join(evidence) if isinstance(evidence, (tuple, list, np.ndarray)) else ""


def select_alerts(
    alerts: pd.DataFrame,
    *,
    symbols: Collection[str] = (),
    rules: Collection[str] = (),
    severity: Severity = "low",
    kind: Kind | None = None,
    since_ms: int | None = None,
    until_ms: int | None = None,
    order: Order = "score",
    top: int | None = None,
) -> pd.DataFrame:
    """Return the alerts that were asked for: what nothing explains and the highest scores first, or the earliest.

    Args:
        alerts: as ``list_alerts`` gives them.
        symbols, rules: empty: all.
        severity: the least.
        since_ms, until_ms: a part of [since, until] is in one of the alert's bars or between them; epoch ms.
        top: at most so many.

    Raises:
        ConfigurationError: a rule's name is none, or ``until_ms`` lies before ``since_ms``.
    """
    if unknown := sorted({*rules} - {*RULES, *alerts["rule"], market_events.RULE}):
        raise ConfigurationError(
            f"{', '.join(unknown)} is no rule; rules are {', '.join((*RULES, market_events.RULE))}"
        )
    if since_ms is not None and until_ms is not None and until_ms < since_ms:
        raise ConfigurationError(
            f"until {write_new_york(until_ms)} lies before since {write_new_york(since_ms)}; exchange the two"
        )
    chosen = np.ones(len(alerts), dtype=bool)
    if symbols:
        chosen &= alerts["symbol"].isin([symbol.strip().upper() for symbol in symbols]).to_numpy()
    if rules:
        chosen &= alerts["rule"].isin(rules).to_numpy()
    chosen &= alerts["severity"].isin(SEVERITIES[SEVERITIES.index(severity) :]).to_numpy()
    if kind is not None:
        chosen &= (alerts["kind"] == kind).to_numpy()
    if since_ms is not None:
        chosen &= (alerts["last_ms"] + alerts["timespan"].map(SPAN_MS).astype(float).fillna(1) > since_ms).to_numpy()
    if until_ms is not None:
        chosen &= (alerts["first_ms"] <= until_ms).to_numpy()
    found = alerts[chosen]
    if order == "score":
        ranks = pd.DataFrame({"explained": found["tag"] != UNEXPLAINED, "score": -found["score"]})
        found = found.loc[ranks.sort_values(["explained", "score"], kind="stable").index]
    return found.head(top).reset_index(drop=True) if top is not None else found.reset_index(drop=True)

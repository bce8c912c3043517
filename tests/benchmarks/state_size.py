"""What a series takes in the snapshot once its state is mature: ``python -m tests.benchmarks.state_size``.

With literal rules, which fire and so remember the most: capacity is planned for them. Robust ones, held against the
profiles of the sessions before, take a fourth of it.

A state is mature after ten sessions or more: all that rules remember of a series, the last 32 bars of abnormal volume
above all, is then full. The minute bars of two symbols over 19 sessions are the smallest such recording that we have.
"""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pandas as pd

from include.surveillance.detection.engine import Engine
from include.surveillance.detection.log_pass import detect_records
from include.surveillance.detection.parameters.book import ParameterBook
from include.surveillance.detection.shards import Shards
from include.surveillance.detection.state import State
from include.surveillance.records import Bar
from include.surveillance.sessions import Sessions
from tests.paths import SHARED_DATA

FILES = {
    "minute, 2 symbols, 19 sessions": "minute_2023jan.parquet",
    "minute, 19 symbols, 5 sessions": "minute_2019feb.parquet",
    "15 minutes": "minute15_2019.parquet",
    "day": "day_2018_2019.parquet",
}


def bytes_per_series(file: Path) -> float:
    """Detect on a file of recorded bars; return the bytes of all messages of the snapshot / the number of series."""
    engine = Engine(ParameterBook.default().replaced(alerting_form="literal"), Sessions())
    state = detect_records(engine, State("sketch"), _read_records(file)).state
    return sum(len(raw or b"") for raw in Shards().update(state, []).values()) / len(state.keys)


def _read_records(file: Path) -> list[Bar]:
    columns = ["symbol", "timespan", "ts_ms", "open", "high", "low", "close", "volume"]
    rows = pd.read_parquet(file, columns=columns).sort_values("ts_ms", kind="stable")
    return [
        Bar(**row | {"volume": Decimal(str(row["volume"])), "polled_ms": row["ts_ms"] + 62_000})
        for row in rows.to_dict("records")
    ]


if __name__ == "__main__":
    for what, name in FILES.items():
        print(f"{what}: {bytes_per_series(SHARED_DATA / name):,.0f} bytes per series")  # noqa: T201

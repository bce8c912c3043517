"""Runs in the feature store's virtualenv: does what standard input says, a JSON list, and prints a JSON list."""

from __future__ import annotations

import json
import os
import sys
from datetime import datetime
from typing import Any

import pandas as pd

from include.feature_store import store as feature_store


def main() -> None:
    asked = json.load(sys.stdin)
    with feature_store.open_store(os.environ) as store:
        answers = [answer(store, *command) for command in asked]
    sys.stdout.write("\n" + json.dumps(answers))


def answer(store: Any, command: str, *given: str) -> Any:
    if command == "serve":
        return feature_store.serve(store, *map(datetime.fromisoformat, given))
    if command == "online":
        return feature_store.read_online(store, *given)
    rows = feature_store.read_as_known(store, *given)
    rows["event_timestamp"] = rows["event_timestamp"].astype(str)
    return [{name: None if pd.isna(value) else value for name, value in row.items()} for row in rows.to_dict("records")]


if __name__ == "__main__":
    main()

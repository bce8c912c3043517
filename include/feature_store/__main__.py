"""The command line, in the feature store's virtualenv: ``python -m include.feature_store serve`` or ``show``."""

from __future__ import annotations

import argparse
import os
import sys

from feast.errors import EntitySQLEmptyResults

from include.feature_store.store import open_store, read_as_known, read_online, serve
from include.surveillance.errors import SurveillanceError


def main() -> None:
    parser = argparse.ArgumentParser(prog="include.feature_store", description=__doc__)
    parser.add_argument("command", choices=["serve", "show"])
    parser.add_argument("--symbol", default="AAPL", help="whose features are read online")
    parser.add_argument("--timespan", default="minute")
    given = parser.parse_args()
    with open_store(os.environ) as store:
        if given.command == "serve":
            _say(f"served what is known at {serve(store)}")
            return
        _say(f"online, {given.symbol}:")
        for name, value in read_online(store, given.symbol, given.timespan).items():
            _say(f"  {name:<18} {value}")
        try:
            known = read_as_known(store)
        except EntitySQLEmptyResults:
            _say("no alert has a label yet: close one on the desk, and let build_marts run")
            return
        _say(f"\n{len(known)} labelled alerts, with what was known when each was raised:")
        _say(known.head(20).to_string(index=False))


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")


if __name__ == "__main__":
    try:
        main()
    except SurveillanceError as error:
        sys.exit(str(error))

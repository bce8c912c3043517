"""Days of which it is known what happened, and what is told of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from tests.benchmarks.scorecard.raised import EVENT, INHIBITED, MEMBER, SINGLE
from tests.benchmarks.scorecard.silence import NO_BAR, Witness


class Day(NamedTuple):
    """What happened to a symbol on a date (YYYY-MM-DD)."""

    symbol: str
    date: str
    happened: str


DAYS = (
    Day("KO", "2019-02-14", "results, opens 6.1 % lower"),
    Day("PEP", "2019-02-15", "results, opens 3 % higher"),
    Day("AMZN", "2019-02-14", "New York office plan dropped late that morning"),
    Day("PG", "2010-05-06", "flash crash, low 39.37"),
    Day("PM", "2010-05-06", "flash crash, low 2.00"),
    Day("MSFT", "2003-02-18", "split, two for one"),
)
RESULTS = tuple((day.symbol, day.date) for day in DAYS if day.happened.startswith("results"))
SPLITS = (("MSFT", "2003-02-18", 1, 2),)
MARKET_DAYS = ("2009-11-27", "2010-05-06")
"""Days on which the whole market fell: Dubai's debts, and the flash crash."""


def describe_market_days(witness: Witness) -> Iterator[dict[str, object]]:
    """Yield how many events of the market, members and alerts on their own the days of the market have."""
    for date in MARKET_DAYS:
        of_day = witness.raised.alerts[witness.raised.alerts["session_date"] == date]
        yield {"date": date} | {
            told: int((of_day["told"] == told).sum()) for told in (EVENT, MEMBER, SINGLE, INHIBITED)
        }


def describe_days(witnesses: Mapping[str, Witness]) -> Iterator[dict[str, str]]:
    """Yield for each day and each recording that has its bars what was told, or why nothing was.

    Args:
        witnesses: by the name of the recording.
    """
    for day in DAYS:
        for name, witness in witnesses.items():
            if day.symbol not in witness.raised.days.symbols:
                continue
            told, alerts = witness.find_told(day.symbol, day.date)
            said = "; ".join(map(witness.describe_alert, alerts)) or witness.explain(day.symbol, day.date)[1]
            if said != NO_BAR:
                yield {"symbol": day.symbol, "date": day.date, "happened": day.happened, "bars": name,
                       "told": told or "nothing", "said": said}  # fmt: skip

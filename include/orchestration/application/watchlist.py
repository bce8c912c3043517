"""Table ``watchlist``: the words that polling has last seen, and how far each new symbol is."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime, timedelta

from include.orchestration import connections
from include.orchestration.application.database import statement
from include.surveillance.watchlist import Watchlist

# How long people are not told of a new symbol's alerts at most, however long its history takes.
LONGEST_SILENCE = timedelta(hours=6)


def store_watchlist(watchlist: Watchlist) -> int:
    """Store which words are listed now; return how many of them were not before."""
    good = [{"word": word, "symbol": symbol, "reason": None} for symbol, word in watchlist.symbols.items()]
    bad = [{"word": word, "symbol": None, "reason": reason} for word, reason in watchlist.refused.items()]
    with connections.application_database() as database, database.cursor() as cursor:
        cursor.execute(statement("list_watchlist"), {"words": json.dumps(good + bad)})
        ((count,),) = cursor.fetchall()
        return int(count)


def list_unasked() -> list[str]:
    """List the symbols that the vendor was not asked for yet."""
    with connections.application_database() as database, database.cursor() as cursor:
        cursor.execute(statement("unasked_symbols"))
        return [symbol for (symbol,) in cursor.fetchall()]


def mark_known(asked: Sequence[str], known: Sequence[str]) -> None:
    """Store which of the symbols that the vendor was asked for it knows."""
    with connections.application_database() as database, database.cursor() as cursor:
        cursor.execute(statement("mark_known"), {"asked": list(asked), "known": list(known)})


def list_new() -> list[str]:
    """List the symbols that the vendor knows and whose history is not there yet."""
    with connections.application_database() as database, database.cursor() as cursor:
        cursor.execute(statement("new_symbols"))
        return [symbol for (symbol,) in cursor.fetchall()]


def mark_ready(symbols: Sequence[str], ready_at: datetime) -> None:
    """Let people be told of these symbols' alerts from then on."""
    with connections.application_database() as database, database.cursor() as cursor:
        cursor.execute(statement("mark_ready"), {"symbols": list(symbols), "ready_at": ready_at})


def take_wrong_words() -> dict[str, str | None]:
    """Return the words that are no ticker, with the reason, and those that nobody knows, with none; each once."""
    with connections.application_database() as database, database.cursor() as cursor:
        cursor.execute(statement("tell_wrong_words"))
        return dict(sorted(cursor.fetchall()))


def read_watched() -> tuple[int, set[str]]:
    """Read how many symbols polling watched last, and of which of them people are not told of alerts yet."""
    with connections.application_database() as database, database.cursor() as cursor:
        cursor.execute(statement("count_watched"))
        ((count,),) = cursor.fetchall()
        cursor.execute(statement("unready_symbols"), {"longest": LONGEST_SILENCE})
        return int(count), {symbol for (symbol,) in cursor.fetchall()}

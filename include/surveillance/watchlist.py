"""Reads a list of symbols as people write it: which to watch, and of each word that is no ticker, why not."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from include.surveillance.errors import ConfigurationError
from include.surveillance.texts import is_symbol, one_line

# Small letters only where the vendor has them: preferred shares (BACpB), rights, when issued, units; then a class.
_TICKER = re.compile(r"[A-Z][A-Z0-9]{0,9}(p[A-Z]?|[rwu])?(\.[A-Z0-9]{1,4})?")
# Other vendors' spellings. The order counts: BAC-PB is no class.
_PREFERRED = re.compile(r"([A-Z]{1,8})(?:-P|\$|\.PR|/PR)([A-Z])")
_CLASS = re.compile(r"([A-Z][A-Z0-9]{0,9})[-/ ]([A-Z]{1,4})")
# Words that "BRK B" may end in; that V or C end a name is no sign of a class.
_CLASSES = ("A", "B")
LONGEST_WORD = 40


class Watchlist(NamedTuple):
    """What a list holds.

    Attributes:
        symbols: those to watch, as the vendor writes them -> the word that the list has for each.
        refused: words that are no ticker -> why not, and what was perhaps meant.
    """

    symbols: dict[str, str]
    refused: dict[str, str]


def read_watchlist(text: str, place: str) -> Watchlist:
    """Read words that are separated by commas, blanks or line ends; what follows a ``#`` is a comment.

    Args:
        place: what holds the list, for an error.

    Raises:
        ConfigurationError: not one word is a ticker.
    """
    symbols, refused = dict[str, str](), dict[str, str]()
    for word in _split(text):
        symbol = _read_symbol(word)
        if symbol is None:
            refused[one_line(word, LONGEST_WORD)] = _describe(word)
        elif symbols.get(symbol) != symbol:
            symbols[symbol] = word
    if not symbols:
        holds = "; ".join(f"{word!r} {why}" for word, why in list(refused.items())[:5]) or "no symbol"
        raise ConfigurationError(f"{place} holds {holds}; write at least one ticker, e.g. AAPL")
    return Watchlist(dict(sorted(symbols.items())), dict(sorted(refused.items())))


def _split(text: str) -> Iterator[str]:
    lines = [line.partition("#")[0] for line in text.splitlines()]
    items = [item.split() for line in lines for item in line.split(",") if item.strip()]
    for words in items:
        # Where something else separates, a blank may be a part of the word.
        if len(items) > 1 and len(words) == 2 and words[1] in _CLASSES and _CLASS.fullmatch(" ".join(words)):
            yield " ".join(words)
        else:
            yield from words


def _read_symbol(word: str) -> str | None:
    """Return the symbol as the vendor writes it; None when the word cannot be one."""
    if _TICKER.fullmatch(word):
        symbol = word
    elif preferred := _PREFERRED.fullmatch(word):
        symbol = f"{preferred[1]}p{preferred[2]}"
    elif share := _CLASS.fullmatch(word):
        symbol = f"{share[1]}.{share[2]}"
    else:
        return None
    return symbol if is_symbol(symbol) else None


def _describe(word: str) -> str:
    meant = _read_symbol(word.upper())
    return f"has small letters that no ticker has, write {meant}" if meant else "is no ticker, write e.g. AAPL or BRK.B"

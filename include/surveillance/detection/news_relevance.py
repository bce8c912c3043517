"""How much an article is about one of its tickers: by the company's name and the ticker in its title.

A ticker of one or two letters, or one that is a word, stands in many titles that have nothing to do with it ("IT
Stocks", "Now Or Never"). So a ticker counts where it is marked as one: ``$IT``, ``(NYSE: IT)``, ``Gartner (IT)``; and
by itself only where it can hardly be anything else.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from include.surveillance.records import NewsItem

ROUND_UP = 10
"""From so many tickers on an article is a round-up of the market, whomever its title names."""
_HEADLINES = (
    "advanced air all allied american any applied are bank best big block blue body box boot bros buy can car care "
    "cash central city coin cool core cost data day deep delta digital discover dollar eagle east electric energy eye "
    "federal first fit for free fun gap general global gold good great green group has health he hear high home hope "
    "huge ice in international invest it key kind life live love low main man match max me mid more national net new "
    "next nice north now of old on one open or out pacific pay peak pet play plug power premier prime progressive "
    "public pure real red ride rock root royal run safe sage save see select silver simply snap so solar south "
    "southern square standard star state sun super take tap target team ten texas the three top toy trade true two "
    "unit united unity universal up very via visa wave well west western wish wolf work world yes you zoom "
    "ai ceo cfo cpi dow ecb epa eps esg etf eu ev fda fed fomc ftc gdp ipo irs nyse opec sec spac uk us usa usd"
)
_LEGAL_FORMS = "inc incorporated corp corporation co company ltd limited plc nv sa ag se llc lp ab asa spa"
_ENDINGS = "group holding holdings class common ordinary a b c & and stock shares"
_WORDS = frozenset(_HEADLINES.split())
"""Words that name no company by themselves, though a ticker or a company's name is one or begins with one."""
_LEGAL, _UNSAID = frozenset(_LEGAL_FORMS.split()), frozenset(_ENDINGS.split())
_EXCHANGE = r"(?i:nyse|nasdaq(?:gs|gm|cm)?|amex|arca|cboe|bats|otc\w*|tsx|lse)(?i:[ -](?:american|arca|mkt))?"
_OTHERS = r"(?:[A-Z][A-Z.]*, ?)*"  # tickers before it, in one pair of brackets


def measure_relevance(item: NewsItem) -> float:
    """Return 1 for an article about the item's company, else its share among the article's tickers.

    An article is about the company when it has no other ticker, or when its title names the company or its ticker and
    it is no round-up.
    """
    count = len(item.tickers)
    if count <= 1 or (count < ROUND_UP and names_company(item.title, item.symbol, item.company)):
        return 1.0
    return 1 / count


def names_company(title: str, symbol: str, company: str = "") -> bool:
    """Whether a title names a company, by its name (empty: unknown) or by its ticker."""
    title = title.replace("\u2019", "'")
    name = _spoken_name(company)
    return _marks_ticker(title, symbol) or _has_ticker(title, symbol, name) or _has_name(title, name)


def _marks_ticker(title: str, symbol: str) -> bool:
    """Whether the ticker stands in the title as one: ``$IT``, ``(NYSE: IT)``, ``Gartner (IT)``."""
    ticker = rf"{re.escape(symbol)}(?![\w&]|[.-]\w)"
    if re.search(rf"\${ticker}|\b{_EXCHANGE}: ?{_OTHERS}{ticker}", title):
        return True
    # "Gartner (IT)" gives a ticker, "Information Technology (IT)" spells a word out.
    return any(
        len(symbol) == 1 or _initials(_split(found[1])[-len(symbol) :]) != symbol
        for found in re.finditer(rf"([^()]*\w) ?\({_OTHERS}{ticker}[^()]*\)", title)
    )


def _has_ticker(title: str, symbol: str, name: Sequence[str]) -> bool:
    """Whether the bare ticker stands in the title and can hardly be anything else."""
    if title.isupper() or symbol.lower() in _WORDS or len(symbol) == 1:
        return False
    # GM for General Motors, HP for HP Inc.
    if len(symbol) == 2 and symbol not in (_initials(name), *(word.upper() for word in name[:1])):
        return False
    return re.search(rf"(?<![\w$&.-]){re.escape(symbol)}(?![\w&]|[.-]\w)", title) is not None


def _has_name(title: str, name: Sequence[str]) -> bool:
    """Whether the title has the company's name, or as much of its beginning as names no other company."""
    own = next((at for at, word in enumerate(name, 1) if word not in _WORDS and len(word) > 2), len(name))
    said = _split(title)
    for at, word in enumerate(said):
        if own and not word.islower() and [_plain(one) for one in said[at : at + own]] == list(name[:own]):
            following = said[at + own : at + own + 1]
            # "Price Target Raised" is not about Target; "Target's Profit" and "Target Corp" are.
            if own > 1 or name[0] not in _WORDS or word.endswith("'s") or _LEGAL & {_plain(one) for one in following}:
                return True
    return False


@lru_cache(maxsize=16_384)
def _spoken_name(company: str) -> tuple[str, ...]:
    """Return the words of a company's name as people write it: ``Ford Motor Company`` is Ford Motor."""
    words = [_plain(word) for word in _split(company)]
    words = words[1:] if words[:1] == ["the"] else words
    end = next((at for at, word in enumerate(words) if at and word in _LEGAL), len(words))
    while end > 1 and words[end - 1] in _UNSAID:
        end -= 1
    return tuple(words[:end])


def _split(text: str) -> list[str]:
    return re.findall(r"[^\s,;:!?()\[\]\"\u201c\u201d\u2013\u2014]+", text)


def _plain(word: str) -> str:
    return word.lower().removesuffix("'s").removesuffix(".com").replace(".", "").strip("'")


def _initials(words: Sequence[str]) -> str:
    return "".join(word[0] for word in words).upper()

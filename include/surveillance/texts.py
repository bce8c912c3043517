"""Text from outside: what it must look like before it is kept, shown or made part of an address.

Whoever writes a headline, a form or a message must not be able to write a second line, a hidden sign or a command.
"""

from __future__ import annotations

import re
import unicodedata
from urllib.parse import quote

# Tickers as the vendor writes them: classes, units and preferred shares have dots and small letters.
SYMBOL = re.compile(r"[A-Z][A-Za-z0-9]{0,9}([.\-][A-Za-z0-9]{1,4})?")
LONGEST_SYMBOL = 15
LONGEST_TITLE, LONGEST_URL = 300, 2_000
_IDENTIFIER = re.compile(r"[!-~]+")
# No name and password before the host: they make one address look like another.
_WEB_ADDRESS = re.compile(r"https?://[^/?#@]+([/?#].*)?", re.IGNORECASE)
# What an address may hold besides letters and digits; RFC 3986 but for the quotes.
_ADDRESS_SIGNS = "%/:?#[]@!$&()*+,;=~-._"


def one_line(text: str, longest: int) -> str:
    """Make one printable line of at most ``longest`` characters.

    Line ends, tabs and control characters become spaces, runs of them one; what nobody sees (zero width, direction
    overrides) and half surrogate pairs, which UTF-8 cannot carry, are left out. A line that is cut ends in "…".
    """
    # Nothing beyond can matter, and a text may have millions.
    shown = "".join(map(_shown, text[: 20 * longest]))
    line = " ".join(shown.split())
    return line if len(line) <= longest else f"{line[: longest - 1].rstrip()}…"


def is_symbol(word: str) -> bool:
    """Whether the word can be a ticker."""
    return SYMBOL.fullmatch(word) is not None


def is_identifier(text: str, longest: int) -> bool:
    """Whether it is a word of visible ASCII: ids are compared and never changed."""
    return len(text) <= longest and _IDENTIFIER.fullmatch(text) is not None


def web_address(text: str) -> str:
    """Return an http(s) address, with everything quoted that needs it; empty when it is none or too long."""
    address = quote(text.strip(), safe=_ADDRESS_SIGNS, errors="replace")
    return address if len(address) <= LONGEST_URL and _WEB_ADDRESS.fullmatch(address) else ""


def _shown(char: str) -> str:
    if char.isprintable():
        return char
    return "" if unicodedata.category(char) in ("Cf", "Cs") else " "

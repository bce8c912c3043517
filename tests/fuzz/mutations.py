"""JSON as nobody should send it: objects changed in their structure, texts changed in their bytes."""

from __future__ import annotations

import json
import random
from typing import Any

HALF_A_PAIR, NOTHING, DEEP = "\ud800", "\x00", 3_000


class Text(str):
    """JSON text that no value stands for."""


class Pairs(list):
    """An object that may name a key more than once."""


ODD = (
    *(None, True, False, 0, -1, 1, 0.5, -0.0, 5e-324, 1.7976931348623157e308, 2**53, 2**63, -(2**63) - 1, 10**400),
    *map(Text, ("NaN", "Infinity", "-Infinity", "1e400", "-1e-400", "1E+6", "01", "9" * 5_000, "0." + "3" * 400)),
    *("", " ", "0", "-5", "1e6", "nan", "Infinity", "1_000", "१२", NOTHING, HALF_A_PAIR, "\udfff\ud800", "é", "株🂡"),
    *("x" * 20_000, "A|B|C", "AAPL", "MSFT", "positive", "2024-02-30", "0001-01-01", "9999-12-31", "2024-W01-1"),
    *("9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+23:59", "2022-04-28T17:08:00Z", "\u2028", "\ufeff", "\r\n"),
    *([], {}, [[]], [None], [{}], {"": ""}, [1, "a", None, {"b": []}], ["AAPL", 5], ["AAPL", HALF_A_PAIR]),
    *map(Text, ("[" * DEEP + "]" * DEEP, '{"a":' * DEEP + "1" + "}" * DEEP, '{"a":1,"a":"b"}')),
)  # fmt: skip


def dump(value: Any) -> str:
    if isinstance(value, Text):
        return str(value)
    if isinstance(value, Pairs):
        return "{" + ",".join(f"{json.dumps(name)}:{dump(inner)}" for name, inner in value) + "}"
    if isinstance(value, dict):
        return dump(Pairs(value.items()))
    if isinstance(value, list):
        return "[" + ",".join(map(dump, value)) + "]"
    return json.dumps(value)


def changed_object(rng: random.Random, given: dict[str, Any]) -> str:
    """The object's text after up to three changes of its structure."""
    pairs = Pairs(given.items())
    for _ in range(rng.choice((0, 1, 1, 1, 2, 3))):
        _change(rng, pairs)
    return dump(pairs)


def changed_bytes(rng: random.Random, text: str) -> bytes:
    """The text's bytes, cut, torn, repeated or in another encoding."""
    raw = text.encode(errors="surrogatepass")
    at, until = sorted((rng.randrange(len(raw) + 1), rng.randrange(len(raw) + 1)))
    match rng.randrange(12):
        case 0:
            return raw[:at]
        case 1:
            return raw[at:]
        case 2:
            return raw[:at] + raw[until:]
        case 3:
            return raw[:until] + raw[at:]
        case 4:
            return raw[:at] + rng.randbytes(rng.randrange(1, 9)) + raw[at:]
        case 5:
            return b"\xef\xbb\xbf" + raw
        case 6:
            return text.encode(rng.choice(("utf-16", "utf-32-be")), errors="surrogatepass")
        case 7:
            return text.encode("latin-1", errors="replace").replace(b"a", b"\xe4")
        case 8:
            return raw.replace(b'"', rng.choice((b"'", b"", b'"\x00', b'\\"')), rng.randrange(1, 4))
        case 9:
            return rng.randbytes(rng.randrange(200))
        case 10:
            return raw + rng.choice((b"\x00", raw, b"]", b"}", b" " * 10_000, b"<html>"))
        case _:
            return _torn(rng, raw)


def _torn(rng: random.Random, raw: bytes) -> bytes:
    """The bytes with one to four bits turned over."""
    torn = bytearray(raw)
    for _ in range(rng.randrange(1, 5) if torn else 0):
        torn[rng.randrange(len(torn))] ^= 1 << rng.randrange(8)
    return bytes(torn)


def _change(rng: random.Random, pairs: Pairs) -> None:
    if not pairs:
        pairs.append((rng.choice(("t", "ticker", "")), rng.choice(ODD)))
        return
    at = rng.randrange(len(pairs))
    name, value = pairs[at]
    match rng.randrange(9):
        case 0:
            del pairs[at]
        case 1:
            pairs.insert(rng.randrange(len(pairs) + 1), (name, rng.choice(ODD)))
        case 2:
            pairs[at] = rng.choice((name.upper(), f"{name} ", "", HALF_A_PAIR, NOTHING, name * 500)), value
        case 3:
            other = rng.randrange(len(pairs))
            pairs[at], pairs[other] = (name, pairs[other][1]), (pairs[other][0], value)
        case 4:
            pairs[at] = name, rng.choice(([value], {name: value}, dump(value), [value] * 300))
        case 5 if type(value) in (int, float) and abs(value) < 2**53:
            pairs[at] = name, rng.choice((-value, value + 0.5, value * 1_000, value / 3, str(value), value + 60_000))
        case 6 if isinstance(value, dict):
            inner = Pairs(value.items())
            _change(rng, inner)
            pairs[at] = name, inner
        case 6 if isinstance(value, list) and value:
            inner = list(value)
            index = rng.randrange(len(inner))
            inner[index] = (
                Text(changed_object(rng, inner[index])) if isinstance(inner[index], dict) else rng.choice(ODD)
            )
            pairs[at] = name, inner
        case _:
            pairs[at] = name, rng.choice(ODD)

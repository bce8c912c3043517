"""Text from outside becomes one printable line, an address or a ticker, or it is refused."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from include.surveillance.texts import (
    LONGEST_SYMBOL,
    LONGEST_URL,
    SYMBOL,
    is_identifier,
    is_symbol,
    one_line,
    web_address,
)

# Half surrogate pairs, too: JSON can escape them.
ANYTHING = st.text(st.characters(exclude_categories=()), max_size=400)


@given(ANYTHING, st.integers(1, 300))
@example("a\nb\rc\u2028d\u2029e\x85f\x0bg\x0ch\x1ci\x1dj\x1ek", 300)
@example("\u202egnp.exe\u200b\ufeff\u2066\x1b[31m\x00\ud800", 300)
@example("\n" * 7_000, 300)
def test_whatever_comes_is_one_printable_line(text, longest):
    line = one_line(text, longest)
    assert len(line) <= longest
    assert len(line.splitlines()) <= 1
    assert line.isprintable()
    assert line == line.strip()
    assert line.encode().decode() == line
    assert one_line(line, longest) == line


@given(st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=300))
def test_a_plain_line_stays_as_it_is(text):
    assert one_line(text, 300) == text


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("Shares\u00a0fall\t5\u00a0%", "Shares fall 5 %"),
        ("first\r\nsecond", "first second"),
        ("pass\u200bword", "password"),
        ("株価が急落: Ünïcödé", "株価が急落: Ünïcödé"),
        ("x" * 301, "x" * 299 + "…"),
        ("x" * 10_000_000, "x" * 299 + "…"),
        ("\u200b\u202e\n", ""),
    ],
)
def test_examples(text, line):
    assert one_line(text, 300) == line


@given(ANYTHING)
@example("https://example.org/a b<c>\n\"'`")
def test_an_address_is_http_without_anything_that_ends_it(text):
    address = web_address(text)
    assert len(address) <= LONGEST_URL
    assert not address or (
        address.lower().startswith(("http://", "https://")) and not set(address) & set(" <>\"'`|\\\n")
    )


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("https://example.org/a?b=c&d=%20#e", "https://example.org/a?b=c&d=%20#e"),
        ("HTTP://example.org", "HTTP://example.org"),
        (" https://example.org/ü|x ", "https://example.org/%C3%BC%7Cx"),
        ("javascript:alert(1)", ""),
        ("data:text/html,x", ""),
        ("https://bank.example@evil.example/", ""),
        ("https://", ""),
        ("//example.org", ""),
        ("file:///etc/passwd", ""),
        ("https://example.org/" + "a" * LONGEST_URL, ""),
    ],
)
def test_what_is_no_web_address_is_none(text, address):
    assert web_address(text) == address


@given(st.from_regex(SYMBOL, fullmatch=True))
def test_tickers_are_identifiers_of_bounded_length(symbol):
    assert is_symbol(symbol)
    assert is_identifier(symbol, LONGEST_SYMBOL)


@pytest.mark.parametrize("word", ["", "a b", "a\n", "é", "\u200b", "x" * 16, "\x7f"])
def test_what_is_no_identifier(word):
    assert not is_identifier(word, 15)

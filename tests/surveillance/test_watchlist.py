"""Good words are watched, and of each other one it is said what is wrong; nothing that people write stops the rest."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.surveillance.errors import ConfigurationError
from include.surveillance.settings import Settings
from include.surveillance.texts import is_symbol
from include.surveillance.watchlist import read_watchlist


def symbols(text):
    return list(read_watchlist(text, "the list").symbols)


def test_words_are_separated_by_anything_and_count_once():
    assert symbols("MSFT, BRK.B\nAAPL MSFT # twice, NOT\n\n,,AAPL") == ["AAPL", "BRK.B", "MSFT"]


def test_the_shipped_list_has_nothing_wrong():
    shipped = read_watchlist(Settings().watchlist_file.read_text(), "the file")
    assert len(shipped.symbols) == 24
    assert shipped.refused == {}


@pytest.mark.parametrize("symbol", ["A", "AAPL", "BRK.B", "KIMpL", "BACpB", "ABRp", "XYZw", "XYZr", "XYZ.WS", "XYZ.U"])
def test_the_vendors_own_spelling_stays(symbol):
    assert symbols(symbol) == [symbol]


@pytest.mark.parametrize(
    ("written", "symbol"),
    [("BRK-B", "BRK.B"), ("BRK/B", "BRK.B"), ("BF-A", "BF.A"), ("BAC-PB", "BACpB"), ("ABR$D", "ABRpD")],
)
def test_other_vendors_spellings_are_read(written, symbol):
    read = read_watchlist(f"AAPL {written}", "the list")
    assert read.symbols == {"AAPL": "AAPL", symbol: written}
    assert read.refused == {}


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("AAPL, BRK B, MSFT", ["AAPL", "BRK.B", "MSFT"]),
        ("AAPL\nBF B\nMSFT", ["AAPL", "BF.B", "MSFT"]),
        ("KO V", ["KO", "V"]),
        ("KO V,MSFT", ["KO", "MSFT", "V"]),
        ("BRK B", ["B", "BRK"]),
        ("KO BRK B", ["B", "BRK", "KO"]),
        ("AAPL,AAPL MSFT", ["AAPL", "MSFT"]),
    ],
)
def test_a_blank_is_a_part_of_a_class_only_where_something_else_separates(text, read):
    assert symbols(text) == read


@pytest.mark.parametrize("word", ["aapl", "Aapl", "aAPL", "aapL"])
def test_small_letters_are_no_ticker_and_what_was_meant_is_said(word):
    read = read_watchlist(f"MSFT,{word}", "the list")
    assert list(read.symbols) == ["MSFT"]
    assert read.refused == {word: "has small letters that no ticker has, write AAPL"}


@pytest.mark.parametrize("word", ["A$", "ABCDEFGHIJKL", "../x", "AAPL;MSFT", "{{x}}", "9", "A.B.C", "ÄPFEL"])
def test_what_is_no_ticker_is_left_out_with_a_reason(word):
    read = read_watchlist(f"MSFT {word}", "the list")
    assert list(read.symbols) == ["MSFT"]
    assert list(read.refused) == [word]


def test_the_right_word_for_a_symbol_is_kept():
    assert read_watchlist("BRK-B BRK.B BRK/B", "the list").symbols == {"BRK.B": "BRK.B"}


@pytest.mark.parametrize("text", ["", " ,\n", "# none"])
def test_no_word_at_all_is_refused(text):
    with pytest.raises(ConfigurationError, match="the list holds no symbol"):
        read_watchlist(text, "the list")


def test_no_good_word_at_all_is_refused_with_what_is_wrong():
    with pytest.raises(ConfigurationError, match="the list holds 'aapl' has small letters that no ticker has"):
        read_watchlist("aapl", "the list")


@given(st.text())
def test_whatever_is_written_a_good_word_is_watched(text):
    # A comment would take it away.
    read = read_watchlist(text.replace("#", "") + ",\nAAPL", "the list")
    assert "AAPL" in read.symbols
    assert all(is_symbol(symbol) for symbol in read.symbols)
    assert all(word.isprintable() for word in read.refused)


@given(st.text(max_size=60))
def test_every_word_is_watched_or_refused(word):
    one = "".join(word.replace("#", "").replace(",", "").split())
    read = read_watchlist(f"AAPL {one}", "the list")
    assert len(read.symbols) + len(read.refused) == 1 + bool(
        one and one != "AAPL" and read != read_watchlist("AAPL", "")
    )

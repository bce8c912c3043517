"""What becomes of a word from when it is listed until people are told of the symbol's alerts."""

from datetime import UTC, datetime, timedelta

import pytest

from include.orchestration import connections
from include.orchestration.application import watchlist as table
from include.surveillance.watchlist import read_watchlist


@pytest.fixture
def listed(database):
    """A platform that watches AAPL and MSFT, with their history."""
    store("AAPL MSFT")
    table.mark_known(["AAPL", "MSFT"], ["AAPL", "MSFT"])


def store(text):
    return table.store_watchlist(read_watchlist(text, "the list"))


def unready():
    return table.read_watched()[1]


def watched():
    return table.read_watched()[0]


@pytest.mark.usefixtures("listed")
def test_the_first_list_is_ready():
    assert unready() == set()
    assert table.list_new() == []
    assert watched() == 2


@pytest.mark.usefixtures("listed")
def test_the_same_list_again_has_nothing_new():
    assert store("MSFT,AAPL") == 0
    assert table.list_unasked() == []


@pytest.mark.usefixtures("listed")
def test_a_new_symbol_is_asked_for_once_and_silent_until_it_is_ready():
    assert store("AAPL MSFT TSLA") == 1
    assert table.list_unasked() == ["TSLA"]
    assert unready() == {"TSLA"}
    table.mark_known(["TSLA"], ["TSLA"])
    assert table.list_unasked() == []
    assert table.list_new() == ["TSLA"]
    assert store("AAPL MSFT TSLA") == 0
    table.mark_ready(["TSLA"], datetime.now(UTC) + timedelta(minutes=2))
    assert table.list_new() == []
    assert unready() == {"TSLA"}  # its profile does not hold yet
    store("AAPL MSFT")
    store("AAPL MSFT TSLA")
    table.mark_known(["TSLA"], ["TSLA"])
    table.mark_ready(["TSLA"], datetime.now(UTC) - timedelta(minutes=2))
    assert unready() == set()
    assert watched() == 3


@pytest.mark.usefixtures("listed")
def test_wrong_words_are_told_once_per_change():
    store("AAPL MSFT aapl NOSUCH")
    table.mark_known(["NOSUCH"], [])
    assert table.take_wrong_words() == {"NOSUCH": None, "aapl": "has small letters that no ticker has, write AAPL"}
    assert table.take_wrong_words() == {}
    assert unready() == set()  # nobody waits for the history of what nobody knows
    store("AAPL MSFT aapl NOSUCH msft")
    assert list(table.take_wrong_words()) == ["msft"]
    store("AAPL MSFT")
    store("AAPL MSFT aapl")
    assert list(table.take_wrong_words()) == ["aapl"]


@pytest.mark.usefixtures("listed")
def test_what_is_no_symbol_is_not_counted_and_not_waited_for():
    store("AAPL MSFT aapl")
    assert watched() == 2
    assert unready() == set()


@pytest.mark.usefixtures("listed")
def test_a_symbol_that_is_written_in_another_way_is_not_new():
    store("AAPL MSFT BRK-B")
    table.mark_known(["BRK.B"], ["BRK.B"])
    table.mark_ready(["BRK.B"], datetime.now(UTC) - timedelta(minutes=2))
    store("AAPL MSFT BRK.B")
    assert unready() == set()


@pytest.mark.usefixtures("listed")
def test_a_symbol_whose_history_does_not_come_is_not_silent_for_ever():
    store("AAPL MSFT KO TSLA")
    table.mark_known(["TSLA"], ["TSLA"])
    for hours, silent in ((0, {"KO", "TSLA"}), (1, {"TSLA"}), (6, set())):
        with connections.application_database() as connection, connection.cursor() as cursor:
            cursor.execute("update watchlist set listed_at = listed_at - %s * interval '1 hour'", [hours])
        assert unready() == silent

"""A state folder holds one market; a replay's last session is an hour old when it starts."""

from __future__ import annotations

import time

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest

from include.local_stack.errors import StackError
from include.local_stack.market import Market
from include.surveillance.sessions import Sessions

# 2019-02-14 and 2019-02-15, 09:30 New York, and a bar in the afternoon of the second.
BARS = pa.table(
    {
        "symbol": ["KO", "PEP", "KO"],
        "ts_ms": [1_550_154_600_000, 1_550_241_000_000, 1_550_262_000_000],
        "timespan": ["minute"] * 3,
        **{name: [50.0] * 3 for name in ("open", "high", "low", "close")},
        "volume": [100] * 3,
    }
)


@pytest.fixture(params=["parquet", "csv"])
def replay(request, tmp_path):
    file = tmp_path / f"bars.{request.param}"
    write = pyarrow.parquet.write_table if request.param == "parquet" else pyarrow.csv.write_csv
    write(BARS, file)
    return file


def test_a_replay_enters_an_hour_into_its_last_session(replay):
    before = time.time() // 60
    market = Market.wanted(replay, real_key=False)
    after = time.time() // 60
    opened = Sessions("XNYS", market.shift_ms).at_or_before(int(time.time() * 1000))
    assert opened.date == "2019-02-15"
    assert before - 60 <= opened.open_ms / 60_000 <= after - 60
    assert market.shift_ms % 60_000 == 0


def test_a_replay_watches_its_symbols_and_the_canaries(replay):
    watchlist = Market.wanted(replay, real_key=False).watchlist({}).split(",")
    assert watchlist[:2] == ["KO", "PEP"]
    assert "ZVZZT" in watchlist


def test_the_generated_market_names_enough_symbols():
    assert len(set(Market().watchlist({}).split(","))) >= 20


def test_the_user_may_name_the_symbols(replay):
    assert Market.wanted(replay, real_key=False).watchlist({"WATCHLIST": "KO"}) == "KO"


def test_a_key_of_the_users_own_means_the_real_market():
    market = Market.wanted(None, real_key=True)
    assert market.environment() == {"MARKET_CALENDAR": "XNYS", "MARKET_SHIFT_MS": "0", "POLL_CALENDAR": "XNYS"}
    assert market.watchlist({}) is None


def test_the_first_start_decides_for_all(replay, tmp_path):
    first = Market.choose(tmp_path, Market.wanted(replay, real_key=False))
    first.store(tmp_path)
    later = Market("replay", first.file, shift_ms=first.shift_ms + 60_000)
    assert Market.choose(tmp_path, later) == first


def test_a_generated_market_is_watched_from_its_first_start_on(tmp_path):
    before = time.time() * 1000
    first = Market.choose(tmp_path, Market.wanted(None, real_key=False))
    first.store(tmp_path)
    assert before - 1 <= first.watched_from_ms <= time.time() * 1000
    later = Market.choose(tmp_path, Market.wanted(None, real_key=False))
    assert later.simulator_arguments() == ["--seed", "7", "--watched-from-ms", str(first.watched_from_ms)]


def test_another_market_needs_a_clean_folder(replay, tmp_path):
    Market().store(tmp_path)
    with pytest.raises(StackError, match="make clean") as error:
        Market.choose(tmp_path, Market.wanted(replay, real_key=False))
    assert "\n" not in str(error.value)


def test_what_is_no_bar_file_is_refused(tmp_path):
    (tmp_path / "x.parquet").write_text("bars")
    for file in ("x.parquet", "absent.parquet"):
        with pytest.raises(StackError, match=file):
            Market.wanted(tmp_path / file, real_key=False)

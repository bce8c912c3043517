"""The log of a real Kafka as files, read back by the readers of files."""

from __future__ import annotations

from decimal import Decimal
from math import inf

import pytest
from msgspec.structs import replace

from include.surveillance import broker
from include.surveillance.files.bars import read_bars
from include.surveillance.files.side_files import read_actions, read_news
from include.surveillance.records import Dividend, Payment, Split, TickerChange
from include.surveillance.studies.export import export_log, select_bars
from include.surveillance.studies.recorded import read_profiles
from include.surveillance.timespans import MINUTE_MS
from tests.surveillance.detection.market import profile
from tests.surveillance.live.partition_log import OPEN, article, bar, watermark
from tests.surveillance.live.partition_log import partition as partition


@pytest.mark.parametrize("shift_ms", [0, 7 * MINUTE_MS])
def test_what_is_on_the_log_is_in_the_files(kafka, partition, tmp_path, shift_ms):
    split = Split(symbol="NVDA", execution_date="2019-02-15", split_from=1, split_to=2)
    dividend = Dividend(symbol="NVDA", ex_date="2019-02-15", cash_amount=5.0, payments=(Payment(cash_amount=5.0),))
    foreign = Dividend(symbol="AMD", ex_date="2019-02-15", cash_amount=5.0, currency="EUR")
    change = TickerChange(symbol="AMD", new_symbol="AMDX", date="2019-02-15")
    precise = replace(bar(1), volume=Decimal("12.5"), vwap=99.75, trades=3, event_id="", revision="")
    news = replace(article(2), tickers=("NVDA", "AMD"))
    broker.publish(
        kafka, [precise, watermark(2), bar(2, 7), bar(2, 8), news, split, dividend, foreign, change, profile()]
    )

    files, written = export_log(kafka, tmp_path, shift_ms=shift_ms)

    read = read_bars(files.bars)
    assert written == read.counts["rows"] == 4
    assert read.counts["corrected"] == 1
    assert read.bars.ts.tolist() == [OPEN + minute * MINUTE_MS - shift_ms for minute in range(3)]
    assert read.bars.volume.tolist() == [1000.0, 12.5, 8.0], "of a corrected bar the last"
    (item,), _ = read_news(files.news)
    assert (item.published_ms, item.tickers) == (news.published_ms - shift_ms, news.tickers)
    assert item.sentiment == news.sentiment
    actions = read_actions(files.splits, files.dividends, files.ticker_changes)
    assert (actions.splits, actions.ticker_changes) == ((split,), (change,))
    assert actions.dividends == (dividend,), "a file's dividends are in dollars"
    assert read_profiles(files.profiles) == [profile()]


def test_only_the_bars_that_were_asked_for_are_written(kafka, partition, tmp_path):
    broker.publish(kafka, [bar(minute) for minute in range(1, 5)])
    chosen = select_bars([], "minute", OPEN + MINUTE_MS, OPEN + 3 * MINUTE_MS)
    assert export_log(kafka, tmp_path, keep=chosen)[1] == 2
    assert export_log(kafka, tmp_path, keep=select_bars(["AMD"], "minute", 0, OPEN * 2))[1] == 0
    assert export_log(kafka, tmp_path, keep=select_bars(["NVDA"], "day", 0, OPEN * 2))[1] == 0
    assert export_log(kafka, tmp_path, keep=select_bars(["NVDA"], None, -inf, inf))[1] == 5, "one is of the partition"

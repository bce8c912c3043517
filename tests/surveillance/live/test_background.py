"""Corporate actions and profiles on the topic of baselines: read once, followed, and what detection makes of them."""

from __future__ import annotations

from include.surveillance import broker, wire
from include.surveillance.detection.parameters.book import ParameterBook
from include.surveillance.live import detector
from include.surveillance.live.background import read_background
from include.surveillance.records import Dividend, Split, TickerChange
from tests.surveillance.detection.market import profile
from tests.surveillance.live.partition_log import (
    bar,
    detect,
    open_detector,
    read_values,
)
from tests.surveillance.live.partition_log import partition as partition


def test_a_split_on_the_baselines_topic_takes_part(kafka, partition):
    broker.publish(kafka, [Split(symbol="NVDA", execution_date="2019-02-15", split_from=1, split_to=2)])
    broker.publish(kafka, [bar(1440, close=50.0)])
    detect(kafka, partition)
    assert wire.decode(read_values(kafka, partition, broker.METRICS)[-1]).gap == 0.0


def test_profiles_and_corporate_actions_on_the_baselines_topic_take_part(kafka, partition):
    usual = profile()
    dividend = Dividend(symbol="NVDA", ex_date="2019-02-15", cash_amount=5.0)
    renamed = TickerChange(symbol="AMD", new_symbol="AMDX", date="2019-02-15")
    broker.publish(kafka, [profile(sessions=3), dividend, renamed, usual])
    actions, profiles = read_background(kafka)
    assert profiles == [usual], "the newer of two with one id"
    assert (actions.dividends, actions.ticker_changes, actions.splits) == ((dividend,), (renamed,), ())
    broker.publish(kafka, [*(bar(minute) for minute in range(1, 20)), bar(20, 46_000), bar(1440, close=95.0)])
    detect(kafka, partition, book=ParameterBook.default())
    alerts = [wire.decode(raw) for raw in read_values(kafka, partition, broker.ALERTS)]
    assert [(it.rule, it.form, it.profile_version) for it in alerts] == [("abnormal_volume", "robust", usual.version)]


def test_baselines_that_come_while_a_detector_stays_take_part(kafka, partition, monkeypatch):
    monkeypatch.setattr(detector, "BACKGROUND_SECONDS", 0.0)
    with open_detector(kafka, partition, ParameterBook.default()) as resident:
        broker.publish(kafka, [bar(minute) for minute in range(1, 20)])
        resident.step()
        usual = profile(effective_ms=bar(20).ts_ms)
        broker.publish(kafka, [usual, profile(symbol="AMD", liquidity="thin")])
        broker.publish(kafka, [bar(20, 46_000)])
        assert resident.step()["alerts"] == 1
    (alert,) = [wire.decode(raw) for raw in read_values(kafka, partition, broker.ALERTS)]
    assert (alert.rule, alert.form, alert.profile_version) == ("abnormal_volume", "robust", usual.version)

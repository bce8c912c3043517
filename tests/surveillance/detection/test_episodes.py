"""Firings become episodes: one alert each, told again when it grows."""

from __future__ import annotations

from tests.surveillance.detection.market import DAY, OPEN, alerts, at, bar, calm, minutes, profile, run


def growing(minutes_: range | list[int], volume: float = 1e5, factor: float = 1.5) -> list:
    """Bursts that stay beyond three times their mean, though they are part of it."""
    return [bar(minute, volume=round(volume * factor**step)) for step, minute in enumerate(minutes_)]


def test_a_firing_within_the_cooldown_continues_the_episode():
    quiet = [*calm(14, 21), bar(35, volume=9000), *calm(15, 36)]
    detection = run([*calm(), bar(20, volume=9000), *quiet, bar(51, volume=9000)])
    found = alerts(detection, "abnormal_volume")
    assert minutes(found) == [20, 35, 51]
    assert [it.episode_start_ms for it in found] == [at(20), at(20), at(51)]
    assert [it.event_id for it in found] == [f"abnormal_volume|NVDA|minute|{at(m)}|v1" for m in (20, 20, 51)]
    assert [(it.status, it.firings) for it in found] == [("fired", 1), ("refired", 2), ("fired", 1)]


def test_the_cooldown_is_of_time_and_a_parameter():
    records = [*calm(), bar(20, volume=9000), bar(36, volume=9000)]
    assert [it.status for it in alerts(run(records), "abnormal_volume")] == ["fired", "fired"]
    longer = alerts(run(records, cooldown_bars=16), "abnormal_volume")
    assert [it.status for it in longer] == ["fired", "refired"]


def test_it_is_told_at_one_two_four_and_eight_firings():
    # Four times its mean at the least: critical from the first, so nothing but the number makes it grow.
    found = alerts(run([*calm(), *growing(range(20, 31), factor=3)]), "abnormal_volume")
    assert {it.severity for it in found} == {"critical"}
    assert [(it.firings, *minutes([it])) for it in found] == [(1, 20), (2, 21), (4, 23), (8, 27)]


def test_it_is_told_when_it_becomes_more_severe():
    # 3.1, 3.3 and 40 times the mean.
    bursts = [bar(20, volume=3100), bar(21, volume=3600), bar(22, volume=50_000)]
    found = alerts(run([*calm(), *bursts]), "abnormal_volume")
    assert [(it.firings, it.severity) for it in found] == [(1, "low"), (2, "low"), (3, "critical")]


def test_directions_are_episodes_of_their_own():
    detection = run([*calm(), bar(20, close=101), bar(21, close=99)])
    assert [(alert.direction, alert.status) for alert in detection.alerts] == [("up", "fired"), ("down", "fired")]


def test_symbols_and_rules_are_episodes_of_their_own():
    records = []
    for symbol in ("NVDA", "AMD"):
        records += [*calm(symbol=symbol), bar(20, volume=9000, close=101, symbol=symbol)]
    detection = run(records)
    assert len({it.event_id for it in detection.alerts}) == len(detection.alerts) == 4


def test_an_episode_has_one_id_in_both_forms():
    bars = [*calm(), bar(20, volume=46_000)]
    (literal,), (robust,) = (
        alerts(run(bars, profiles=[profile()], alerting_form=form), "abnormal_volume") for form in ("literal", "robust")
    )
    assert (literal.form, robust.form) == ("literal", "robust")
    assert literal.event_id == robust.event_id


def test_the_second_bad_day_of_a_week_is_news_again():
    """Each session opens 5 % higher."""
    midnight = OPEN - 34_200_000
    days = [(0, 100.0), (1, 105.0), (5, 111.0), (11, 117.0)]
    bars = [bar(0, timespan="day", start=midnight + day * DAY, close=close, high=120.0) for day, close in days]
    found = alerts(run(bars), "price_gap")
    assert [(it.firings, it.status) for it in found] == [(1, "fired")] * 3
    assert len({it.event_id for it in found}) == 3

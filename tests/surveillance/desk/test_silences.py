"""Silences: whom they mean, when they hold, and that none is of everything or for ever."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import asdict, replace

from include.surveillance.desk.policy import Policy
from include.surveillance.desk.silences import (
    MOST_SYMBOLS,
    Matcher,
    Silence,
    check_silence,
    find_silence,
    preview_silence,
)
from include.surveillance.errors import ActRefusedError
from include.surveillance.settings import Settings
from include.surveillance.severities import SEVERITIES

POLICY = Policy.load(Settings().desk_policy_file)
NOW = datetime(2026, 3, 9, 14, 30, tzinfo=UTC)
DAY = timedelta(days=1)


class Traits(NamedTuple):
    rule: str
    symbol: str
    timespan: str
    tag: str | None
    severity: str


RULES, SYMBOLS, SPANS, TAGS = ["price_gap", "feed_freshness"], ["KO", "AMZN"], ["minute", "day"], ["news", "halt"]
ALERTS = st.builds(
    Traits,
    st.sampled_from(RULES),
    st.sampled_from(SYMBOLS),
    st.sampled_from(SPANS),
    st.sampled_from([*TAGS, None]),
    st.sampled_from(SEVERITIES),
)


def maybe(values):
    return st.sampled_from([*values, None])


MATCHERS = st.builds(
    Matcher, rule=maybe(RULES), symbol=maybe(SYMBOLS), timespan=maybe(SPANS), tag=maybe(TAGS), up_to=maybe(SEVERITIES)
)
WHOLE = Traits("feed_freshness", "AMZN", "minute", None, "high")


def silence(matcher=Matcher(rule="feed_freshness"), begins=NOW, ends=NOW + DAY, number=1):  # noqa: B008 - frozen
    return Silence(silence_id=number, matcher=matcher, reason="stale", author="nina", begins_at=begins, ends_at=ends)


@given(MATCHERS, ALERTS)
def test_a_matcher_means_what_is_as_each_of_its_fields_says(matcher, alert):
    said = {name: value for name, value in asdict(matcher).items() if value is not None}
    up_to = said.pop("up_to", "critical")
    wanted = all(getattr(alert, name) == value for name, value in said.items())
    wanted = wanted and alert.severity in SEVERITIES[: SEVERITIES.index(up_to) + 1]
    assert matcher.matches(alert) == wanted


@given(MATCHERS, ALERTS, st.sampled_from(["rule", "symbol", "timespan", "tag", "up_to"]))
def test_whoever_leaves_a_field_out_means_more(matcher, alert, field):
    if matcher.matches(alert):
        assert replace(matcher, **{field: None}).matches(alert)


@given(st.integers(-3, 3), st.integers(1, 3), st.integers(-8, 8))
def test_a_silence_holds_from_its_begin_until_before_its_end(begin, days, at):
    it = silence(begins=NOW + begin * DAY, ends=NOW + (begin + days) * DAY)
    assert it.is_in_force(NOW + at * DAY) == (begin <= at < begin + days)


@given(st.lists(st.tuples(MATCHERS, st.integers(-2, 2), st.integers(1, 3)), max_size=5), ALERTS)
def test_an_alert_is_silenced_when_one_that_means_it_is_in_force(given_silences, alert):
    silences = [
        silence(matcher, NOW + begin * DAY, NOW + (begin + days) * DAY, number)
        for number, (matcher, begin, days) in enumerate(given_silences)
    ]
    found = find_silence(silences, alert, NOW)
    meant = [it for it in silences if it.begins_at <= NOW < it.ends_at and it.matcher.matches(alert)]
    assert (found is None) == (not meant)
    if found:
        assert found in meant
        assert found.ends_at == max(it.ends_at for it in meant)
        assert find_silence(reversed(silences), alert, NOW) == found, "in whatever order they are read"


@pytest.mark.parametrize("matcher", [Matcher(), Matcher(up_to="low"), Matcher(timespan="minute", tag="news")])
def test_a_silence_of_everything_is_refused(matcher):
    with pytest.raises(ActRefusedError, match="name a rule or a symbol"):
        check_silence(matcher, NOW, NOW + DAY, POLICY)


@pytest.mark.parametrize(
    ("ends", "why"),
    [
        (NOW, "is over"),
        (NOW - DAY, "is over"),
        (NOW + timedelta(days=POLICY.longest_silence_days, microseconds=1), "30 days at most"),
    ],
)
def test_a_silence_has_an_end_that_is_neither_past_nor_far(ends, why):
    with pytest.raises(ActRefusedError, match=why):
        check_silence(Matcher(symbol="KO"), NOW, ends, POLICY)
    check_silence(Matcher(symbol="KO"), NOW, NOW + timedelta(days=POLICY.longest_silence_days), POLICY)


@given(MATCHERS, st.lists(ALERTS, max_size=30))
def test_a_preview_counts_what_would_be_silenced(matcher, alerts):
    counted = preview_silence(matcher, alerts)
    silenced = [alert for alert in alerts if find_silence([silence(matcher)], alert, NOW)]
    assert counted.alerts == len(silenced)
    for counts, name in ((counted.rules, "rule"), (counted.severities, "severity"), (counted.symbols, "symbol")):
        assert sum(counts.values()) == len(silenced), name
        assert all(counts[value] == sum(getattr(it, name) == value for it in silenced) for value in counts)


def test_a_preview_names_the_symbols_with_most_alerts():
    alerts = [WHOLE._replace(symbol=f"S{number}") for number in range(40) for _ in range(number + 1)]
    symbols = preview_silence(Matcher(), alerts).symbols
    assert list(symbols) == [f"S{number}" for number in range(39, 39 - MOST_SYMBOLS, -1)]


def test_a_silence_says_whose_it_is():
    assert silence(number=7).describe() == "silence 7 of nina"

"""What people read: one line for each group of alerts, whatever their texts hold, and a digest for too many."""

from __future__ import annotations

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from include.surveillance.alerts.market_events import find_market_events
from include.surveillance.alerts.messages import LINE_CHARACTERS, News, write_digest, write_lines
from tests.surveillance.alerts.test_market_events import alert, crowd

HOSTILE = "<!channel> ACME recalls\n[critical] GOOD closed up 900 %, see <https://evil.example/login|your portal>"


def texts(news):
    return [line.text for line in write_lines(news)]


def test_alerts_of_one_symbol_are_one_line_that_names_the_other_rules():
    lead, other = alert(score=90.0, severity="critical"), alert(rule="price_breakout", direction="up", minute=2)
    assert texts([News(other), News(lead)]) == ["[critical] S0 did something (also price_breakout up)"]


def test_a_line_is_of_the_alert_that_leads_it():
    lead, other = alert(score=90.0, severity="critical"), alert(rule="price_breakout", direction="up", minute=2)
    over = alert("A", status="retracted")
    assert [line.alert for line in write_lines([News(other), News(lead), News(over)])] == [lead, over]


def test_a_risen_severity_says_what_it_was():
    assert texts([News(alert(severity="high"), "medium")]) == ["[high, was medium] S0 did something"]


def test_of_several_versions_the_last_counts_against_what_was_known_before_the_first():
    versions = [News(alert(severity="medium"), "low"), News(alert(severity="high"), "medium")]
    assert texts(versions) == ["[high, was low] S0 did something"]
    assert texts([*versions, News(alert(status="retracted"))]) == ["withdrawn: S0 did something"]


def test_withdrawals_follow_and_events_of_the_market_lead():
    alerts = crowd(30)
    (event,) = find_market_events(alerts, 500)
    lines = texts([News(alert("A", status="retracted")), News(alerts[0]), News(event)])
    assert [line.partition(" ")[0] for line in lines] == [f"[{event.severity}]", "[medium]", "withdrawn:"]


def test_a_text_of_strangers_forges_no_line():
    lines = texts([News(alert(explanation=HOSTILE)), News(alert("S1"))])
    assert len(lines) == 2
    assert not any(line.startswith("[critical]") for line in lines)


@given(st.text(max_size=3_000))
def test_any_text_is_one_line_of_limited_length(text):
    for line in texts([News(alert(explanation=text))]):
        assert len(line.splitlines()) <= 1
        assert len(line) <= LINE_CHARACTERS
        assert not {unicodedata.category(character) for character in line} & {"Cc", "Cf", "Cs", "Zl", "Zp"}
        line.encode()


def test_a_digest_counts_by_severity():
    severities = ["medium"] * 25 + ["high"] * 12
    assert write_digest(severities, "older than 30 min") == "37 alerts older than 30 min: 12 high, 25 medium"
    assert write_digest(["low"], "now") == "1 alert now: 1 low"

"""The terminal tells an alert once, again when it gets worse, and its end."""

from __future__ import annotations

from msgspec.structs import replace

from include.surveillance.alerts.severity import format_alert
from include.surveillance.alerts.transcript import Transcript
from tests.surveillance.alerts.test_incidents import alert as silence
from tests.surveillance.alerts.test_market_events import alert


def test_doublings_are_silent_and_a_rise_of_severity_and_a_withdrawal_are_not():
    transcript, first = Transcript(), alert(severity="medium")
    worse = replace(first, severity="high", status="refired", firings=5)
    told = [first, *(replace(first, status="refired", firings=n) for n in (2, 4)), worse, replace(worse, firings=8)]
    lines = [line for one in told for line in transcript.tell([one])]
    assert lines == [format_alert(first), format_alert(worse)]
    gone = replace(worse, status="retracted")
    assert transcript.tell([gone]) == [format_alert(gone)]
    assert transcript.tell([gone]) == []


def test_history_is_not_told():
    assert Transcript().tell([alert(source="backfill"), silence(source="backfill")]) == []


def test_silences_are_one_line_and_their_end_another():
    transcript = Transcript()
    (begun,) = transcript.tell([silence("A"), silence("B")])
    assert "FEED" in begun
    assert transcript.tell([silence("A", status="refired", firings=2)]) == []
    assert transcript.tell([silence("A", status="ended")]) == []
    (over,) = transcript.tell([silence("B", status="ended")])
    assert "[ended]" in over

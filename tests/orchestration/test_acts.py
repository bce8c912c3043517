"""What people did is on its topics once, in order, also when whoever publishes it dies or a copy is restored."""

from __future__ import annotations

from itertools import pairwise

import pytest

from include.orchestration import acts, connections
from include.orchestration.application.audit import Act, record_act
from include.orchestration.application.reviews import change_reviews
from include.surveillance import broker, failpoints, wire
from include.surveillance.desk import reviews as domain
from include.surveillance.desk.policy import Policy
from include.surveillance.records import AuditEntry
from include.surveillance.settings import Settings
from tests.orchestration.conftest import alert, store

KO = alert("KO")
POLICY = Policy.load(Settings().desk_policy_file)


@pytest.fixture
def log(topics, desk, monkeypatch):
    """A function: what was published of a topic since the test began; the audit log is empty."""
    monkeypatch.setattr(connections, "kafka", lambda: topics)
    began = {
        topic: broker.read(topics, {(topic, number): None for number in range(4)}).places
        for topic in (broker.AUDIT, broker.DISPOSITIONS)
    }
    store([KO])
    return lambda topic: [wire.decode(it.value) for it in broker.read(topics, began[topic]).messages]


def close():
    change_reviews("nina", "take", {KO.event_id: 0}, lambda review, _: domain.assign(review, "nina"))
    change_reviews(
        "nina", "close", {KO.event_id: 1}, lambda it, severity: domain.close(it, "nina", "usual", severity, POLICY)
    )


def test_acts_and_decisions_are_published_once(log):
    close()
    record_act(Act("vera", "refused", "request", "POST /x", details="no"))
    assert acts.publish_acts() == {"acts": 3, "dispositions": 2}
    assert acts.publish_acts() == {"acts": 0, "dispositions": 0}
    rows = log(broker.AUDIT)
    assert [(row.actor, row.event, row.symbol) for row in rows] == [
        ("nina", "take", "KO"),
        ("nina", "close", "KO"),
        ("vera", "refused", ""),
    ]
    assert all(later.previous_hash == before.hash for before, later in pairwise(rows))
    last = log(broker.DISPOSITIONS)[-1]
    assert (last.alert_id, last.state, last.reason) == (KO.event_id, "closed", "usual")
    assert last.disposition == "false positive"
    record_act(Act("vera", "refused", "request", "POST /y"))
    assert acts.publish_acts() == {"acts": 1, "dispositions": 0}
    assert len(log(broker.AUDIT)) == 4


def test_what_others_have_written_on_the_topic_does_not_hold_it_up(log, topics):
    told = {"event": "take", "occurred_ms": 1, "exported_ms": 2, "previous_hash": ""}
    broker.publish(topics, [AuditEntry(symbol="", audit_id=1, hash="not hexadecimal", **told)])
    close()
    assert acts.publish_acts() == {"acts": 2, "dispositions": 2}


@pytest.mark.parametrize("point", ["transaction.sent", "transaction.offsets_sent"])
def test_what_dies_before_the_end_is_published_by_the_next(log, monkeypatch, point):
    close()
    reach = failpoints.reach

    def die(at):
        if at == point:
            raise KeyboardInterrupt
        reach(at)

    monkeypatch.setattr(failpoints, "reach", die)
    for _ in range(3):
        with pytest.raises(KeyboardInterrupt):
            acts.publish_acts()
    monkeypatch.setattr(failpoints, "reach", reach)
    # What was undone fills more of the topic than is looked through at first.
    monkeypatch.setattr(acts, "LOOKED", 1)
    assert acts.publish_acts() == {"acts": 2, "dispositions": 2}
    assert acts.publish_acts() == {"acts": 0, "dispositions": 0}
    assert [row.event for row in log(broker.AUDIT)] == ["take", "close"]


def test_after_a_restore_it_goes_on_behind_the_newest_common_row(log, desk):
    record_act(Act("nina", "refused", "request", "before"))
    acts.publish_acts()
    record_act(Act("nina", "refused", "request", "lost"))
    acts.publish_acts()
    desk("alter table audit_log disable trigger user")
    desk("delete from audit_log where object_id = 'lost'")
    desk("alter table audit_log enable trigger user")
    record_act(Act("nina", "refused", "request", "after"))
    assert acts.publish_acts() == {"acts": 1, "dispositions": 0}
    assert [(row.audit_id, row.object_id) for row in log(broker.AUDIT)] == [(1, "before"), (2, "lost"), (2, "after")]
    assert len({row.event_id for row in log(broker.AUDIT)}) == 3

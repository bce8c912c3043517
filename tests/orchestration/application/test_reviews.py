"""Reviews in a real PostgreSQL: each act is there with its row of the audit log or not at all, and one of two wins."""

from __future__ import annotations

import base64
import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from include.orchestration import connections
from include.orchestration.application import audit
from include.orchestration.application.reviews import (
    NO_FILTER,
    change_reviews,
    count_states,
    note_on_alerts,
    select_queue,
)
from include.orchestration.maintenance import clean_application
from include.surveillance.desk import reviews as domain
from include.surveillance.desk.policy import Policy
from include.surveillance.desk.reviews import Review
from include.surveillance.errors import ActRefusedError, ConflictError, UnknownObjectError
from include.surveillance.settings import Settings
from tests.orchestration.conftest import alert, store

POLICY = Policy.load(Settings().desk_policy_file)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
AT = 1_700_000_000_000


@pytest.fixture
def ids(desk):
    """The ids of three stored alerts; the last is critical."""
    alerts = [alert("KO"), alert("AMZN", severity="low"), alert("ZVZZT", severity="critical", score=95.0)]
    store(alerts)
    return [one.event_id for one in alerts]


def take(actor, versions):
    return change_reviews(actor, "take", versions, lambda review, _: domain.assign(review, actor))


def close(actor, versions, code="usual", details=None):
    def change(review, severity):
        return domain.close(review, actor, code, severity, POLICY)

    return change_reviews(actor, "close", versions, change, details)


def acts(alert_id=None):
    found = audit.select_acts({"object_kind": "alert", "object_id": alert_id, "before": None}, 500)
    return [(act["actor"], act["event"]) for act in reversed(found)]


def queue(**filters):
    order = {"order": filters.pop("order", "priority")}
    return select_queue({**NO_FILTER, **order, **filters}, None, 100)[0]


def test_an_act_changes_the_review_and_is_in_the_audit_log(ids, desk):
    first = ids[0]
    taken = take("nina", {first: 0})
    assert taken == {first: Review(state="in review", owner="nina", version=1)}
    closed = close("nina", {first: 1}, details="as every Monday")
    assert closed[first].state == "closed"
    assert desk("select state, owner, reason, closed_by, version from reviews") == [
        ("closed", "nina", "usual", "nina", 2)
    ]
    newest, before = audit.select_acts({"object_kind": "alert", "object_id": first, "before": None}, 2)
    assert (newest["event"], newest["details"], newest["actor"]) == ("close", "as every Monday", "nina")
    assert newest["before"] == before["after"]
    assert (newest["before"]["state"], newest["after"]["state"]) == ("in review", "closed")
    audit.verify_audit()


def test_critical_alerts_want_two_people(ids):
    critical = ids[2]
    assert close("nina", {critical: 0})[critical].state == "to sign"
    with pytest.raises(ActRefusedError, match="somebody else"):
        change_reviews("nina", "sign", {critical: 1}, lambda review, _: domain.sign(review, "nina"))
    signed = change_reviews("lea", "sign", {critical: 1}, lambda review, _: domain.sign(review, "lea"))
    assert (signed[critical].state, signed[critical].signed_by) == ("closed", "lea")


def test_of_two_who_take_one_alert_one_wins_and_the_other_is_told(ids):
    first = ids[0]

    def attempt(actor):
        try:
            return take(actor, {first: 0})[first].owner
        except ConflictError as error:
            return error

    with ThreadPoolExecutor(8) as pool:
        done = list(pool.map(attempt, [f"person {number}" for number in range(8)]))
    (winner,) = [it for it in done if isinstance(it, str)]
    refused = [it for it in done if not isinstance(it, str)]
    assert len(refused) == 7
    for error in refused:
        assert error.current == {first: Review(state="in review", owner=winner, version=1)}
        assert winner in str(error)
    assert acts(first) == [(winner, "take")]


def test_many_at_once_in_any_order_leave_one_chain(ids):
    count = desk_rows = 40

    def attempt(number):
        wanted = ids if number % 2 else list(reversed(ids))
        for _ in range(200):
            rows = {row["alert_id"]: row["version"] for row in queue()}
            try:
                change_reviews(
                    "nina", "take", {it: rows[it] for it in wanted}, lambda it, _: domain.assign(it, f"p{number}")
                )
            except ConflictError:
                continue
            return True
        return False

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(attempt, range(count)))
    assert {row["version"] for row in queue()} == {desk_rows}
    audit.verify_audit()


def test_all_or_none(ids, desk):
    take("omar", {ids[1]: 0})
    before = desk("select count(*) from audit_log")
    with pytest.raises(ConflictError) as raised:
        take("nina", dict.fromkeys(ids, 0))
    assert list(raised.value.current) == [ids[1]]
    with pytest.raises(UnknownObjectError, match="no such"):
        take("nina", {ids[0]: 0, "no such": 0})
    with pytest.raises(ActRefusedError):
        change_reviews("nina", "release", {ids[0]: 0, ids[1]: 1}, lambda review, _: domain.release(review))
    assert desk("select alert_id, owner from reviews") == [(ids[1], "omar")]
    assert desk("select count(*) from audit_log") == before


def test_an_act_that_cannot_be_noted_is_not_done(ids, desk):
    desk("create function refuse() returns trigger language plpgsql as 'begin raise exception ''full''; end'")
    desk("create trigger refuse before insert on audit_log for each row execute function refuse()")
    try:
        with pytest.raises(psycopg.errors.RaiseException, match="full"):
            take("nina", {ids[0]: 0})
    finally:
        desk("drop function refuse cascade")
    assert desk("select * from reviews") == []


def test_a_note_changes_nothing_and_needs_no_version(ids):
    take("nina", {ids[0]: 0})
    note_on_alerts("omar", ids[:2], "seen on the exchange's page")
    assert acts(ids[0]) == [("nina", "take"), ("omar", "note")]
    assert {row["alert_id"]: (row["state"], row["version"]) for row in queue()} == {
        ids[0]: ("in review", 1), ids[1]: ("open", 0), ids[2]: ("open", 0)
    }  # fmt: skip
    with pytest.raises(UnknownObjectError):
        note_on_alerts("omar", ["no such"], "x")


@pytest.mark.parametrize(
    "sql",
    [
        "update alerts set severity = 'low'",
        "delete from alerts",
        "delete from reviews",
        "delete from cases",
        "update audit_log set actor = 'x'",
        "delete from audit_log",
        "truncate audit_log",
        "alter table audit_log disable trigger refuse_to_change_audit",
        "create table mine (n integer)",
        "select * from outbox",
    ],
)
def test_the_desks_role_writes_what_people_do_and_nothing_else(ids, sql):
    take("nina", {ids[0]: 0})
    with (
        pytest.raises(psycopg.errors.InsufficientPrivilege),
        connections.desk_database() as database,
        database.cursor() as cursor,
    ):
        cursor.execute(sql)


@pytest.mark.parametrize(
    "change",
    [
        "state = 'closed'",
        "state = 'open', owner = 'nina'",
        "owner = null",
        "state = 'to sign', reason = 'usual'",
        "state = 'closed', reason = 'usual', closed_by = 'nina', signed_by = 'nina'",
        "state = 'elsewhere'",
    ],
)
def test_no_row_can_be_what_no_act_makes_of_it(ids, desk, change):
    take("nina", {ids[0]: 0})
    with pytest.raises(psycopg.errors.CheckViolation):
        desk(f"update reviews set {change}")


def test_what_somebody_has_touched_outlives_its_age(ids, desk):
    take("nina", {ids[0]: 0})
    desk("update alerts set last_seen_at = now() - interval '2 years'")
    clean_application(datetime.now(UTC) - timedelta(days=400))
    assert desk("select alert_id from alerts") == [(ids[0],)]


def test_the_queue_begins_with_what_nothing_explains_and_is_rarest(desk):
    store(
        [
            alert("NEWS", tag="news", score=99.0),
            alert("RARE", tag="unexplained", score=90.0),
            alert("OLD", tag="unexplained", score=60.0),
            alert("NEW", tag="unexplained", score=60.0, ts_ms=AT + 60_000, bar_close_ms=AT + 120_000),
        ]
    )
    assert [row["symbol"] for row in queue()] == ["RARE", "NEW", "OLD", "NEWS"]
    assert next(row["symbol"] for row in queue(order="newest")) == "NEW"


@pytest.mark.parametrize("order", ["priority", "newest"])
@pytest.mark.parametrize("limit", [1, 3, 7, 20])
def test_pages_follow_each_other_without_a_gap_or_a_repeat(desk, order, limit):
    store(
        [alert(f"S{number}", score=50.0 + number % 3, tag=["news", "unexplained"][number % 2]) for number in range(20)]
    )
    filters, after, seen = {**NO_FILTER, "order": order}, None, []
    for _ in range(30):
        rows, after = select_queue(filters, after, limit)
        assert len(rows) <= limit
        seen += [row["alert_id"] for row in rows]
        if after is None:
            break
    assert seen == [row["alert_id"] for row in queue(order=order)]
    assert len(seen) == 20


ROW = st.tuples(
    st.sampled_from((0.0, 50.0, 99.9)),
    st.sampled_from((None, "news", "unexplained")),
    st.integers(0, 2),
    st.sampled_from(("open", "in review", "closed")),
)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    made=st.lists(ROW, max_size=30),
    later=st.lists(ROW, max_size=30),
    limit=st.integers(1, 12),
    order=st.sampled_from(("priority", "newest")),
    states=st.sampled_from((None, ["open"], ["open", "in review"], ["closed"], ["in review", "closed"])),
)
def test_whoever_pages_through_a_queue_sees_each_row_once_in_its_order(desk, made, later, limit, order, states):
    """Also while others come, which are seen where they belong behind the page, or not at all."""
    desk("truncate alerts, reviews")

    def add(number, score, tag, minutes, state):
        times = {"ts_ms": AT + minutes * 60_000, "bar_close_ms": AT + (minutes + 1) * 60_000}
        one = alert(f"S{number:02}", score=score, tag=tag, **times)
        store([one])
        if state != "open":
            reason, closed_by = ("usual", "nina") if state == "closed" else (None, None)
            review = {"state": state, "owner": "nina", "reason": reason, "closed_by": closed_by}
            change_reviews("nina", "act", {one.event_id: 0}, lambda it, _: Review(**review, version=it.version + 1))
        stored[state, one.severity] += 1
        if states is None or state in states:
            rank = (tag == "unexplained", score) if order == "priority" else ()
            wanted[one.event_id] = (*rank, minutes, one.event_id)

    stored, wanted, seen, after, waiting = Counter(), {}, [], None, list(enumerate(later, len(made)))
    for number, row in enumerate(made):
        add(number, *row)
    first = set(wanted)
    while True:
        rows, after = select_queue({**NO_FILTER, "order": order, "states": states}, after, limit)
        seen += [row["alert_id"] for row in rows]
        if after is None:
            break
        assert len(rows) == limit
        if waiting:
            number, row = waiting.pop()
            add(number, *row)
    assert seen == sorted(set(seen), key=wanted.get, reverse=True)
    assert first <= set(seen) <= set(wanted)
    assert {(row["state"], row["severity"]): row["alerts"] for row in count_states("market", EPOCH)} == stored


MOMENT = "2026-01-01T00:00:00+00:00"


def place(*values):
    return base64.urlsafe_b64encode(json.dumps(values).encode()).decode()


@pytest.mark.parametrize(
    "after",
    [
        *("nonsense", "W10", "é", place(), place(None, None, None, None), place(2**40, 0.0, MOMENT, "a")),
        *(place(True, "x", MOMENT, "a"), place(True, 0.0, "2026-01-01T00:00:00", "a"), place(True, 0.0, 0.0, "a")),
        *(place(True, 0.0, MOMENT, "a\0"), place(True, 0.0, MOMENT, "\ud800"), place(True, 0.0, MOMENT, "a", 1)),
    ],
)
def test_a_made_up_place_is_refused(desk, after):
    with pytest.raises(ActRefusedError, match="no place in the queue"):
        select_queue({**NO_FILTER, "order": "newest"}, after, 10)


def test_what_is_folded_into_an_incident_is_found_by_whoever_names_it(desk):
    folded = alert("AMZN", rule="feed_freshness")
    store([folded])
    assert queue() == []
    assert [row["symbol"] for row in queue(alert_ids=[folded.event_id])] == ["AMZN"]
    assert [row["symbol"] for row in queue(symbol="AMZN")] == ["AMZN"]


def test_filters_and_counts_know_the_states(ids):
    take("nina", {ids[0]: 0})
    close("omar", {ids[2]: 0})
    assert [row["alert_id"] for row in queue(states=["open"])] == [ids[1]]
    assert {row["alert_id"] for row in queue(states=["in review", "to sign"])} == {ids[0], ids[2]}
    assert [row["alert_id"] for row in queue(owner="nina")] == [ids[0]]
    assert [row["alert_id"] for row in queue(severities=["low"])] == [ids[1]]
    assert [row["alert_id"] for row in queue(text="zvzzt OPENED")] == [ids[2]]
    assert queue(text="100 %") == []
    counted = {(row["state"], row["severity"]): row["alerts"] for row in count_states("market", EPOCH)}
    assert counted == {("in review", "high"): 1, ("open", "low"): 1, ("to sign", "critical"): 1}
    assert count_states("operations", EPOCH) == []

"""Cases in a real PostgreSQL: changed one after the other, handed over by two people, with files as they were given."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from include.orchestration.application import audit, cases
from include.orchestration.maintenance import clean_application
from include.surveillance.desk import cases as domain
from include.surveillance.desk.policy import Policy
from include.surveillance.errors import ActRefusedError, ConflictError, UnknownObjectError
from include.surveillance.settings import Settings
from tests.orchestration.conftest import alert, store

POLICY = Policy.load(Settings().desk_policy_file)
ALL = dict.fromkeys(("status", "alert_id", "case_id", "before"))
PDF = b"%PDF-1.7\n\x00\xff"


@pytest.fixture
def ids(desk):
    alerts = [alert("KO"), alert("AMZN")]
    store(alerts)
    return [one.event_id for one in alerts]


def opened(ids):
    return cases.store_case(domain.open_case("KO before its results", "It rose.", ids[:1], "nina"))


def test_a_case_is_stored_found_and_changed(ids):
    number = opened(ids)
    added = cases.change_case("omar", "add", number, 0, lambda case: domain.add_alerts(case, ids))
    assert (added.alerts, added.version) == (tuple(ids), 1)
    for filters in ({"alert_id": ids[1]}, {"status": "draft"}, {"case_id": number}, {}):
        (found,) = cases.select_cases(ALL | filters, 10)
        assert (found["case_id"], found["title"], found["alerts"]) == (number, "KO before its results", ids)
    for filters in ({"alert_id": "other"}, {"status": "to sign"}, {"before": number}):
        assert cases.select_cases(ALL | filters, 10) == []


def test_two_people_hand_over_and_then_nothing_changes(ids):
    number = opened(ids)
    cases.change_case("nina", "submit", number, 0, lambda case: domain.submit(case, "nina"))
    with pytest.raises(ActRefusedError):
        cases.change_case("nina", "sign", number, 1, lambda case: domain.sign(case, "nina"))
    cases.change_case("lea", "sign", number, 1, lambda case: domain.sign(case, "lea"))
    with pytest.raises(ActRefusedError, match="handed over"):
        cases.change_case("nina", "add", number, 2, lambda case: domain.add_alerts(case, ids))
    acts = audit.select_acts({"object_kind": "case", "object_id": str(number), "before": None}, 3)
    assert [(act["actor"], act["event"]) for act in acts] == [("lea", "sign"), ("nina", "submit"), ("nina", "open")]
    audit.verify_audit()


def test_the_slower_one_is_told_what_it_is_now(ids):
    number = opened(ids)
    cases.change_case("omar", "describe", number, 0, lambda case: domain.describe_case(case, "Another title", "Text"))
    with pytest.raises(ConflictError) as raised:
        cases.change_case("nina", "describe", number, 0, lambda case: domain.describe_case(case, "Mine", "Text"))
    assert raised.value.current[str(number)].title == "Another title"


def test_what_does_not_exist_is_refused(ids):
    number = opened(ids)
    with pytest.raises(UnknownObjectError, match="no alert no such"):
        cases.change_case("nina", "add", number, 0, lambda case: domain.add_alerts(case, ["no such"]))
    with pytest.raises(UnknownObjectError):
        cases.store_case(domain.open_case("KO", "", ["no such"], "nina"))
    with pytest.raises(UnknownObjectError):
        cases.change_case("nina", "add", number + 1, 0, lambda case: case)
    assert len(cases.select_cases(ALL, 10)) == 1


def test_a_file_comes_back_as_it_was_given(ids):
    number = opened(ids)
    checked = domain.check_attachment("filing.pdf", PDF, POLICY)
    attached = cases.attach_file("nina", number, 0, checked, PDF)
    assert cases.read_attachment(number, attached) == ("filing.pdf", "application/pdf", PDF)
    (listed,) = cases.list_attachments(number)
    assert (listed["sha256"], listed["size"], listed["added_by"]) == (checked.sha256, len(PDF), "nina")
    with pytest.raises(UnknownObjectError):
        cases.read_attachment(number + 1, attached)
    with pytest.raises(ConflictError):
        cases.attach_file("nina", number, 0, checked, PDF)
    cases.change_case("nina", "submit", number, 1, lambda case: domain.submit(case, "nina"))
    with pytest.raises(ActRefusedError):
        cases.attach_file("nina", number, 2, checked, PDF)
    assert len(cases.list_attachments(number)) == 1


def test_an_alert_of_a_case_outlives_its_age(ids, desk):
    opened(ids)
    desk("update alerts set last_seen_at = now() - interval '2 years'")
    clean_application(datetime.now(UTC) - timedelta(days=400))
    assert desk("select alert_id from alerts") == [(ids[0],)]

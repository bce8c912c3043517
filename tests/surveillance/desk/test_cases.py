"""Cases: drafts are changed, two people hand over, and a file is what its name says."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.surveillance.desk import cases
from include.surveillance.desk.cases import MOST_ALERTS, STATUSES, TYPES, Case, check_attachment
from include.surveillance.desk.policy import Policy
from include.surveillance.errors import ActRefusedError
from include.surveillance.settings import Settings

POLICY = Policy.load(Settings().desk_policy_file)
PNG = b"\x89PNG\r\n\x1a\n rest"
ACTS = {
    "describe": ("draft", lambda case: cases.describe_case(case, "Title", "Text")),
    "add": ("draft", lambda case: cases.add_alerts(case, ["b"])),
    "remove": ("draft", lambda case: cases.remove_alerts(case, ["a"])),
    "attach": ("draft", cases.attach),
    "submit": ("draft", lambda case: cases.submit(case, "nina")),
    "sign": ("to sign", lambda case: cases.sign(case, "lea")),
    "send back": ("to sign", cases.send_back),
}


def draft(**changes):
    return Case(**({"title": "KO", "narrative": "Why", "alerts": ("a",), "opened_by": "nina"} | changes))


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("act", sorted(ACTS))
def test_only_drafts_are_changed_and_only_what_was_submitted_is_signed(status, act):
    needed, do = ACTS[act]
    case = draft(status=status, submitted_by="nina")
    if status == needed:
        assert do(case).version == case.version + 1
    else:
        with pytest.raises(ActRefusedError, match=f"the case is {status}"):
            do(case)


def test_two_people_hand_over():
    submitted = cases.submit(draft(), "nina")
    with pytest.raises(ActRefusedError, match="somebody else has to sign"):
        cases.sign(submitted, "nina")
    done = cases.sign(submitted, "lea")
    assert (done.status, done.submitted_by, done.signed_by) == ("handed over", "nina", "lea")


def test_what_was_sent_back_is_a_draft_that_anybody_may_submit():
    back = cases.send_back(cases.submit(draft(), "nina"))
    assert (back.status, back.submitted_by) == ("draft", None)
    assert cases.sign(cases.submit(back, "lea"), "nina").signed_by == "nina"


@pytest.mark.parametrize("lacking", [{"alerts": ()}, {"narrative": " \n"}])
def test_a_case_without_alerts_or_narrative_is_not_submitted(lacking):
    with pytest.raises(ActRefusedError, match="add what is missing"):
        cases.submit(draft(**lacking), "nina")


@given(st.lists(st.sampled_from("abcdef")), st.lists(st.sampled_from("abcdef")))
def test_alerts_are_added_once_in_their_order_and_removed(first, more):
    case = cases.open_case("KO", "", first, "nina")
    added = cases.add_alerts(case, more)
    assert list(added.alerts) == list(dict.fromkeys(first + more))
    assert list(cases.remove_alerts(added, more).alerts) == [it for it in dict.fromkeys(first) if it not in more]


def test_a_case_has_so_many_alerts_at_most():
    full = cases.open_case("KO", "", map(str, range(MOST_ALERTS)), "nina")
    with pytest.raises(ActRefusedError, match=f"{MOST_ALERTS} alerts at most"):
        cases.add_alerts(full, ["one more"])


def test_a_title_is_one_line_and_a_narrative_may_be_many():
    case = cases.open_case("  KO\n\u202eevil  ", "one\ntwo", [], "nina")
    assert (case.title, case.narrative, case.version) == ("KO evil", "one\ntwo", 0)
    for title in ("", " \n\t", "\u200b"):
        with pytest.raises(ActRefusedError, match="has a title"):
            cases.open_case(title, "", [], "nina")
    with pytest.raises(ActRefusedError, match="characters at most"):
        cases.open_case("KO", "x" * (cases.LONGEST_NARRATIVE + 1), [], "nina")


@pytest.mark.parametrize(
    ("name", "content", "media_type"),
    [
        ("a.pdf", b"%PDF-1.7 ...", "application/pdf"),
        ("A.PNG", PNG, "image/png"),
        ("a.jpg", b"\xff\xd8\xff\xe0", "image/jpeg"),
        ("a.csv", "é,1\n".encode(), "text/csv"),
        ("a.txt", b"text", "text/plain"),
    ],
)
def test_a_file_that_is_what_its_name_says_is_taken(name, content, media_type):
    checked = check_attachment(name, content, POLICY)
    assert (checked.name, checked.media_type, checked.size) == (name, media_type, len(content))
    assert checked.sha256 == hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.pdf", PNG),
        ("a.png", b"<script>"),
        ("a.txt", b"\xff\xfe"),
        ("a.csv", b"a\0b"),
        ("a.html", b"<html>"),
        ("a.svg", b"<svg>"),
        ("pdf", b"%PDF-"),
        (".pdf", b"%PDF-"),
        ("a.txt", b""),
        ("a.txt", b"x" * (POLICY.most_attachment_bytes + 1)),
    ],
)
def test_any_other_file_is_refused(name, content):
    with pytest.raises(ActRefusedError):
        check_attachment(name, content, POLICY)


def test_the_largest_file_is_taken():
    assert check_attachment("a.txt", b"x" * POLICY.most_attachment_bytes, POLICY).size == POLICY.most_attachment_bytes


@given(st.text(max_size=200), st.sampled_from(sorted(TYPES)))
def test_no_name_is_a_path_or_holds_what_nobody_sees(name, ending):
    try:
        checked = check_attachment(name + ending, TYPES[ending][1] + b"text", POLICY)
    except ActRefusedError:
        return
    assert not set(checked.name) & set("/\\\n\r\0\u202e")
    assert not checked.name.startswith(".")
    assert checked.name.isprintable()

"""The states of a review: what may follow what, whoever acts in whatever order."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from msgspec.structs import replace

from include.surveillance.desk import reviews
from include.surveillance.desk.policy import Policy
from include.surveillance.desk.reviews import STATES, Review
from include.surveillance.errors import ActRefusedError
from include.surveillance.settings import Settings
from include.surveillance.severities import SEVERITIES

POLICY = Policy.load(Settings().desk_policy_file)
PEOPLE = st.sampled_from(["nina", "omar", "lea"])
# From each state the states that one act can lead to.
FOLLOWS = {
    "open": {"in review", "to sign", "closed"},
    "in review": {"in review", "open", "to sign", "closed"},
    "to sign": {"closed", "in review"},
    "closed": {"open"},
}
ACTS = {
    "assign": lambda review, who: reviews.assign(review, who),
    "release": lambda review, who: reviews.release(review),
    "close low": lambda review, who: reviews.close(review, who, "usual", "low", POLICY),
    "close critical": lambda review, who: reviews.close(review, who, "usual", "critical", POLICY),
    "sign": lambda review, who: reviews.sign(review, who),
    "send back": lambda review, who: reviews.send_back(review),
    "reopen": lambda review, who: reviews.reopen(review),
}
MAY = {
    "assign": {"open", "in review"},
    "release": {"in review"},
    "close low": {"open", "in review"},
    "close critical": {"open", "in review"},
    "sign": {"to sign"},
    "send back": {"to sign"},
    "reopen": {"closed"},
}


class Desk(RuleBasedStateMachine):
    """Anybody does anything to one alert; what is refused changes nothing."""

    def __init__(self):
        super().__init__()
        self.review = Review()
        self.acts = 0

    @rule(act=st.sampled_from(sorted(ACTS)), who=PEOPLE)
    def do(self, act, who):
        before = self.review
        own = act == "sign" and before.state == "to sign" and before.closed_by == who
        if before.state not in MAY[act] or own:
            with pytest.raises(ActRefusedError):
                ACTS[act](before, who)
            return
        self.review = ACTS[act](before, who)
        self.acts += 1
        assert self.review.state in FOLLOWS[before.state]
        if act == "close critical":
            assert self.review.state == "to sign", "one person alone does not close what wants two"

    @invariant()
    def it_holds_together(self):
        review = self.review
        assert review.version == self.acts, "each act is one version"
        assert (review.state == "open") == (review.owner is None)
        decided = review.state in ("to sign", "closed")
        assert decided == (review.reason is not None) == (review.closed_by is not None)
        assert review.signed_by is None or (review.state == "closed" and review.signed_by != review.closed_by)


TestDesk = Desk.TestCase


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("act", sorted(ACTS))
def test_what_a_state_does_not_allow_is_refused_and_named(state, act):
    review = Review(state=state, owner=None if state == "open" else "nina", closed_by="nina", version=7)
    if state in MAY[act]:
        assert ACTS[act](review, "omar").version == 8
    else:
        with pytest.raises(ActRefusedError, match=rf"the alert is {state}"):
            ACTS[act](review, "omar")


@given(st.sampled_from(SEVERITIES), st.sampled_from([*SEVERITIES, None]))
def test_a_second_signature_is_wanted_from_the_policys_severity_on(severity, least):
    policy = Policy(
        second_signature_from=least, longest_silence_days=1, most_attachment_bytes=1, reasons=POLICY.reasons
    )
    closed = reviews.close(Review(), "nina", "usual", severity, policy)
    two = least is not None and SEVERITIES.index(severity) >= SEVERITIES.index(least)
    assert closed.state == ("to sign" if two else "closed")
    assert (closed.owner, closed.closed_by, closed.reason) == ("nina", "nina", "usual")


def test_whoever_closes_what_somebody_has_leaves_it_his():
    closed = reviews.close(reviews.assign(Review(), "nina"), "omar", "usual", "low", POLICY)
    assert (closed.owner, closed.closed_by) == ("nina", "omar")


def test_nobody_signs_for_himself():
    proposed = reviews.close(Review(), "nina", "escalated", "critical", POLICY)
    with pytest.raises(ActRefusedError, match="somebody else has to sign"):
        reviews.sign(proposed, "nina")
    assert reviews.sign(proposed, "lea") == replace(proposed, state="closed", signed_by="lea", version=2)


def test_an_unknown_reason_closes_nothing():
    with pytest.raises(ActRefusedError, match="no reason"):
        reviews.close(Review(), "nina", "because", "low", POLICY)


def test_reopened_it_is_as_new_but_for_its_version():
    closed = reviews.close(Review(), "nina", "usual", "low", POLICY)
    assert reviews.reopen(closed) == Review(version=2)

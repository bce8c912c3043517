"""Proposals: none loses a true positive or mutes a rule, each says what it leaves, the greatest come first."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.surveillance.desk.proposals import EVERYWHERE, GOOD, LEAST_DECIDED, LEAST_LEFT, propose_limits
from tests.surveillance.desk.facts import VERDICTS, closed, facts, lists

# Enough of one rule that some have a proposal.
NOISY = lists(
    ["usual"] * 9 + ["escalated"], least=20, rule=st.just("price_gap"), symbol=st.just("KO"), is_rare=st.just(True)
)


def bucket(one, given_facts):
    """The scores and verdicts that a proposal rests on."""
    return [
        (it.score, it.find_verdict(VERDICTS) == "true positive")
        for it in given_facts
        if (it.rule, it.form, it.is_rare) == (one.rule, one.form, one.limit.sessions is not None)
        and one.bucket in (EVERYWHERE, it.symbol)
        and it.find_verdict(VERDICTS) in ("true positive", "false positive")
    ]


@given(st.one_of(NOISY, lists()))
def test_a_proposal_says_what_it_would_have_left(given_facts):
    for one in propose_limits(given_facts, VERDICTS):
        decided = bucket(one, given_facts)
        left = [true for score, true in decided if score >= one.limit.score]
        assert (one.limit.raised, one.limit.true) == (len(left), sum(left))
        assert one.precision.n == len(decided) >= LEAST_DECIDED
        assert one.precision.upper < GOOD
        assert one.limit.true == one.precision.part, "no true positive is lost"
        assert one.limit.raised >= LEAST_LEFT * len(decided)
        assert one.saved == len(decided) - len(left) > 0
        stricter = [score for score, _ in decided if score > one.limit.score]
        for score in stricter:
            would = [true for own, true in decided if own >= score]
            assert sum(would) < one.precision.part or len(would) < LEAST_LEFT * len(decided), "none is stricter"


@given(NOISY, st.randoms(use_true_random=False))
def test_the_order_of_facts_is_no_matter_and_the_greatest_comes_first(given_facts, chance):
    found = propose_limits(given_facts, VERDICTS)
    mixed = chance.sample(given_facts, len(given_facts))
    assert propose_limits(mixed, VERDICTS) == found
    assert [one.saved for one in found] == sorted((one.saved for one in found), reverse=True)


def test_none_of_forty_true():
    noisy = [closed(number, score=40.0 + number / 4) for number in range(40)]
    symbol, everywhere = propose_limits(noisy, VERDICTS)
    assert {everywhere.bucket, symbol.bucket} == {EVERYWHERE, "KO"}
    assert (symbol.limit.raised, symbol.saved) == (4, 36)
    assert symbol.sentence == (
        "price_gap (robust), KO: 0 of 40 true; a budget of 0.0170 per symbol and session (once in 58.9 sessions) would "
        "have raised 4, 0 of them true"
    )


def test_without_rarities_the_threshold_is_what_is_stricter():
    noisy = [closed(number, score=75.0 if number < 5 else 50.0, is_rare=False) for number in range(20)]
    found = propose_limits(noisy, VERDICTS)[0]
    assert (found.limit.factor, found.limit.budget) == (pytest.approx(2.0), None)
    assert "an exceedance of 2.00 times the limit would have raised 5" in found.sentence


@pytest.mark.parametrize(
    "given_facts",
    [
        [closed(number, score=40.0 + number) for number in range(LEAST_DECIDED - 1)],
        [closed(number, "usual" if number % 2 else "escalated", score=40.0 + number) for number in range(40)],
        [closed(number) for number in range(40)],
        [facts(number, score=40.0 + number) for number in range(40)],
        [closed(number, "duplicate", score=40.0 + number) for number in range(40)],
        [closed(number, rule="feed_freshness", score=40.0 + number) for number in range(40)],
    ],
    ids=["too few", "good enough", "all alike", "undecided", "no verdict", "operations"],
)
def test_nothing_is_proposed_without_reason(given_facts):
    assert propose_limits(given_facts, VERDICTS) == ()

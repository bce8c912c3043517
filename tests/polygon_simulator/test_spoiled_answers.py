"""What a misbehaving vendor changes in an answer, and that the next one is right again."""

from __future__ import annotations

import re

import httpx
import pytest

from tests.polygon_simulator.constants import DAY, LAST_HOUR, NOON

pytestmark = pytest.mark.usefixtures("well_behaved")


def test_truncated_is_whole_http_and_broken_json(served):
    served.misbehave("truncated")
    answer = served.get(LAST_HOUR)
    assert answer.status_code == 200
    with pytest.raises(ValueError, match=r"Expecting|Unterminated|delimiter"):
        answer.json()


def test_lost_results_are_still_announced(served, good):
    served.misbehave("lost_results")
    body = served.get(LAST_HOUR).json()
    assert "results" not in body
    assert body["resultsCount"] == len(good)


def test_a_chain_of_pages_ends_early_where_it_is_told_to(served):
    served.misbehave("lost_next_url", skip=1)
    first = served.get(LAST_HOUR, limit=20).json()
    second = served.http.get(first["next_url"]).json()
    assert "next_url" not in second
    assert "next_url" in served.http.get(first["next_url"]).json()


@pytest.mark.parametrize(
    ("kind", "form"),
    [("decimal_volumes", r'"v":\d+\.\d{6}'), ("scientific_volumes", r'"v":\d.*?e\+\d'), ("text_volumes", r'"v":"\d')],
)
def test_the_same_volumes_in_another_notation(served, good, kind, form):
    served.misbehave(kind)
    answer = served.get(LAST_HOUR)
    assert re.search(form, answer.text)
    assert [float(row["v"]) for row in answer.json()["results"]] == [row["v"] for row in good]


def test_unknown_fields_are_added(served, good):
    served.misbehave("unknown_fields")
    body = served.get(LAST_HOUR).json()
    assert set(body["results"][0]) > set(good[0])
    assert [{name: row[name] for name in good[0]} for row in body["results"]] == good


def test_no_results(served):
    served.misbehave("no_results")
    body = served.get(LAST_HOUR).json()
    assert "results" not in body
    assert body["resultsCount"] == 0


def test_delayed(served, good):
    served.misbehave("delayed")
    body = served.get(LAST_HOUR).json()
    assert (body["status"], body["results"]) == ("DELAYED", good)


def test_a_next_url_that_leads_nowhere(served):
    served.misbehave("repeated_next_url")
    assert httpx.URL(served.get(LAST_HOUR).json()["next_url"]).path == LAST_HOUR


def test_bars_twice_out_of_order_and_from_another_year(served, good):
    served.misbehave("duplicates")
    assert len(served.get(LAST_HOUR).json()["results"]) == 2 * len(good)
    served.misbehave("out_of_order")
    shuffled = served.get(LAST_HOUR).json()["results"]
    assert shuffled != good
    assert sorted(shuffled, key=lambda row: row["t"]) == good
    served.misbehave("other_year")
    strange = served.get(LAST_HOUR).json()["results"]
    assert strange[1:] == good
    assert strange[0]["t"] < NOON - 300 * DAY


def test_a_late_bar_and_a_correction_come_with_the_next_poll(served, good):
    served.misbehave("late")
    assert served.get(LAST_HOUR).json()["results"] == good[:-1]
    served.misbehave("provisional")
    provisional = served.get(LAST_HOUR).json()["results"]
    assert provisional[:-1] == good[:-1]
    assert provisional[-1]["v"] < good[-1]["v"]
    assert served.get(LAST_HOUR).json()["results"] == good

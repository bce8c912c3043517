"""Each misbehaviour looks to a client as the real thing does, and ends when its count is used up."""

from __future__ import annotations

import re
from email.utils import parsedate_to_datetime

import httpx
import pytest
from urllib3.exceptions import MaxRetryError

MINUTE, NOON = 60_000, 1_790_078_400_000
RANGE = f"/v2/aggs/ticker/MSFT/range/1/minute/{NOON - 60 * MINUTE}/{NOON}"


@pytest.fixture(autouse=True)
def well_behaved(served):
    yield
    served.http.delete("/simulator/misbehave").raise_for_status()


@pytest.fixture
def good(served):
    return served.get(RANGE).json()["results"]


@pytest.mark.parametrize("retry_after", [None, 7])
def test_429(served, retry_after):
    served.misbehave("429", count=1, retry_after=retry_after)
    answer = served.get(RANGE)
    assert answer.status_code == 429
    assert answer.headers.get("retry-after") == (None if retry_after is None else "7")
    assert answer.json()["status"] == "ERROR"
    assert served.get(RANGE).status_code == 200


def test_the_official_client_gives_up_after_four_429s(served):
    served.misbehave("429", count=4)
    with pytest.raises(MaxRetryError):
        list(served.client().list_aggs("MSFT", 1, "minute", NOON - MINUTE, NOON))
    assert served.get(RANGE).status_code == 200


def test_5xx(served):
    served.misbehave("5xx", status=502)
    assert served.get(RANGE).status_code == 502


def test_not_authorized(served):
    served.misbehave("not_authorized")
    answer = served.get(RANGE)
    assert (answer.status_code, answer.json()["status"]) == (403, "NOT_AUTHORIZED")


def test_a_timeout_outlasts_the_reader(served):
    served.misbehave("timeout", seconds=5)
    with pytest.raises(httpx.ReadTimeout):
        served.http.get(RANGE, timeout=0.2)


def test_slow_is_late_but_right(served, good):
    served.misbehave("slow", seconds=0.1)
    assert served.get(RANGE).json()["results"] == good


def test_cut_drops_the_connection(served):
    served.misbehave("cut")
    with pytest.raises(httpx.RemoteProtocolError):
        served.get(RANGE)


def test_truncated_is_whole_http_and_broken_json(served):
    served.misbehave("truncated")
    answer = served.get(RANGE)
    assert answer.status_code == 200
    with pytest.raises(ValueError, match=r"Expecting|Unterminated|delimiter"):
        answer.json()


def test_html_with_200(served):
    served.misbehave("html200")
    answer = served.get(RANGE)
    assert answer.status_code == 200
    assert "html" in answer.headers["content-type"]


def test_a_drip_is_right_and_comes_in_drops(served, good):
    served.misbehave("drip", symbol="MSFT", seconds=0.001)
    with served.http.stream("GET", RANGE) as answer:
        drops = list(answer.iter_raw(16))
    assert len(drops) > 100
    assert served.get(RANGE).json()["results"] == good


def test_endless_never_ends(served):
    served.misbehave("endless")
    with served.http.stream("GET", RANGE) as answer:
        for size, _ in enumerate(answer.iter_raw(65_536)):
            if size == 100:
                break
    assert size == 100


def test_the_reason_comes_in_either_key(served):
    for key in ("error", "message"):
        for kind, code in (("429", 429), ("error200", 200), ("future", 403)):
            served.misbehave(kind, key=key)
            answer = served.get(RANGE)
            assert answer.status_code == code
            assert len(answer.json()[key]) > 10


def test_lost_results_are_still_announced(served, good):
    served.misbehave("lost_results")
    body = served.get(RANGE).json()
    assert "results" not in body
    assert body["resultsCount"] == len(good)


def test_a_chain_of_pages_ends_early_where_it_is_told_to(served):
    served.misbehave("lost_next_url", skip=1)
    first = served.get(RANGE, limit=20).json()
    second = served.http.get(first["next_url"]).json()
    assert "next_url" not in second
    assert "next_url" in served.http.get(first["next_url"]).json()


@pytest.mark.parametrize(
    ("kind", "form"),
    [("decimal_volumes", r'"v":\d+\.\d{6}'), ("scientific_volumes", r'"v":\d.*?e\+\d'), ("text_volumes", r'"v":"\d')],
)
def test_the_same_volumes_in_another_notation(served, good, kind, form):
    served.misbehave(kind)
    answer = served.get(RANGE)
    assert re.search(form, answer.text)
    assert [float(row["v"]) for row in answer.json()["results"]] == [row["v"] for row in good]


def test_unknown_fields_are_added(served, good):
    served.misbehave("unknown_fields")
    body = served.get(RANGE).json()
    assert set(body["results"][0]) > set(good[0])
    assert [{name: row[name] for name in good[0]} for row in body["results"]] == good


def test_the_vendors_clock_is_ahead_for_once(served):
    def shown() -> float:
        return parsedate_to_datetime(served.get(RANGE).headers["date"]).timestamp()

    before = shown()
    served.misbehave("clock", seconds=3_600)
    assert shown() >= before + 3_600
    assert shown() < before + 3_600


def test_no_results(served):
    served.misbehave("no_results")
    body = served.get(RANGE).json()
    assert "results" not in body
    assert body["resultsCount"] == 0


def test_delayed(served, good):
    served.misbehave("delayed")
    body = served.get(RANGE).json()
    assert (body["status"], body["results"]) == ("DELAYED", good)


def test_a_next_url_that_leads_nowhere(served):
    served.misbehave("repeated_next_url")
    assert httpx.URL(served.get(RANGE).json()["next_url"]).path == RANGE


def test_bars_twice_out_of_order_and_from_another_year(served, good):
    served.misbehave("duplicates")
    assert len(served.get(RANGE).json()["results"]) == 2 * len(good)
    served.misbehave("out_of_order")
    shuffled = served.get(RANGE).json()["results"]
    assert shuffled != good
    assert sorted(shuffled, key=lambda row: row["t"]) == good
    served.misbehave("other_year")
    strange = served.get(RANGE).json()["results"]
    assert strange[1:] == good
    assert strange[0]["t"] < NOON - 300 * 86_400_000


def test_a_late_bar_and_a_correction_come_with_the_next_poll(served, good):
    served.misbehave("late")
    assert served.get(RANGE).json()["results"] == good[:-1]
    served.misbehave("provisional")
    provisional = served.get(RANGE).json()["results"]
    assert provisional[:-1] == good[:-1]
    assert provisional[-1]["v"] < good[-1]["v"]
    assert served.get(RANGE).json()["results"] == good


def test_only_the_chosen_symbol_and_only_so_often(served):
    served.misbehave("5xx", symbol="AAPL", count=2)
    assert served.get(RANGE).status_code == 200
    other = RANGE.replace("MSFT", "AAPL")
    assert [served.get(other).status_code for _ in range(3)] == [503, 503, 200]


def test_an_unknown_kind_is_refused_with_the_known_ones(served):
    answer = served.http.post("/simulator/misbehave", json={"kind": "sulk"})
    assert answer.status_code == 400
    assert "repeated_next_url" in answer.json()["error"]

"""Each misbehaviour looks to a client as the real thing does, and ends when its count is used up."""

from __future__ import annotations

from email.utils import parsedate_to_datetime

import httpx
import pytest
from urllib3.exceptions import MaxRetryError

from tests.polygon_simulator.constants import LAST_HOUR, MINUTE, NOON

pytestmark = pytest.mark.usefixtures("well_behaved")


@pytest.mark.parametrize("retry_after", [None, 7])
def test_429(served, retry_after):
    served.misbehave("429", count=1, retry_after=retry_after)
    answer = served.get(LAST_HOUR)
    assert answer.status_code == 429
    assert answer.headers.get("retry-after") == (None if retry_after is None else "7")
    assert answer.json()["status"] == "ERROR"
    assert served.get(LAST_HOUR).status_code == 200


def test_the_official_client_gives_up_after_four_429s(served):
    served.misbehave("429", count=4)
    with pytest.raises(MaxRetryError):
        list(served.client().list_aggs("MSFT", 1, "minute", NOON - MINUTE, NOON))
    assert served.get(LAST_HOUR).status_code == 200


def test_5xx(served):
    served.misbehave("5xx", status=502)
    assert served.get(LAST_HOUR).status_code == 502


def test_not_authorized(served):
    served.misbehave("not_authorized")
    answer = served.get(LAST_HOUR)
    assert (answer.status_code, answer.json()["status"]) == (403, "NOT_AUTHORIZED")


def test_a_timeout_outlasts_the_reader(served):
    served.misbehave("timeout", seconds=5)
    with pytest.raises(httpx.ReadTimeout):
        served.http.get(LAST_HOUR, timeout=0.2)


def test_slow_is_late_but_right(served, good):
    served.misbehave("slow", seconds=0.1)
    assert served.get(LAST_HOUR).json()["results"] == good


def test_cut_drops_the_connection(served):
    served.misbehave("cut")
    with pytest.raises(httpx.RemoteProtocolError):
        served.get(LAST_HOUR)


def test_html_with_200(served):
    served.misbehave("html200")
    answer = served.get(LAST_HOUR)
    assert answer.status_code == 200
    assert "html" in answer.headers["content-type"]


def test_a_drip_is_right_and_comes_in_drops(served, good):
    served.misbehave("drip", symbol="MSFT", seconds=0.001)
    with served.http.stream("GET", LAST_HOUR) as answer:
        drops = list(answer.iter_raw(16))
    assert len(drops) > 100
    assert served.get(LAST_HOUR).json()["results"] == good


def test_endless_never_ends(served):
    served.misbehave("endless")
    with served.http.stream("GET", LAST_HOUR) as answer:
        for size, _ in enumerate(answer.iter_raw(65_536)):
            if size == 100:
                break
    assert size == 100


def test_the_reason_comes_in_either_key(served):
    for key in ("error", "message"):
        for kind, code in (("429", 429), ("error200", 200), ("future", 403)):
            served.misbehave(kind, key=key)
            answer = served.get(LAST_HOUR)
            assert answer.status_code == code
            assert len(answer.json()[key]) > 10


def test_the_vendors_clock_is_ahead_for_once(served):
    def shown() -> float:
        return parsedate_to_datetime(served.get(LAST_HOUR).headers["date"]).timestamp()

    before = shown()
    served.misbehave("clock", seconds=3_600)
    assert shown() >= before + 3_600
    assert shown() < before + 3_600


def test_only_the_chosen_symbol_and_only_so_often(served):
    served.misbehave("5xx", symbol="AAPL", count=2)
    assert served.get(LAST_HOUR).status_code == 200
    other = LAST_HOUR.replace("MSFT", "AAPL")
    assert [served.get(other).status_code for _ in range(3)] == [503, 503, 200]

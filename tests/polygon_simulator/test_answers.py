"""Who is refused, and in whose words."""

from __future__ import annotations

import httpx
import pytest
from polygon import RESTClient
from polygon.exceptions import BadResponse

from include.polygon_simulator.market import synthetic_market
from tests.polygon_simulator.constants import DAY, MINUTE, NOON

RANGE = f"/v2/aggs/ticker/AAPL/range/1/minute/{NOON - 5 * MINUTE}/{NOON}"


def test_a_missing_and_a_wrong_key(served):
    missing = httpx.get(served.url + RANGE)
    assert missing.status_code == 401
    assert missing.json() | {"request_id": ""} == {
        "status": "ERROR",
        "request_id": "",
        "error": "API Key was not provided",
    }
    wrong = RESTClient("wrong", base=served.url)
    with pytest.raises(BadResponse, match="Unknown API Key"):
        list(wrong.list_aggs("AAPL", 1, "minute", NOON - MINUTE, NOON))


def test_the_key_may_be_a_parameter_and_health_needs_none(served):
    key = served.http.headers["authorization"].split()[1]
    assert httpx.get(served.url + RANGE, params={"apiKey": key}).status_code == 200
    assert httpx.get(f"{served.url}/health").json() == {"status": "ok"}


def test_a_future_date_is_not_in_the_plan(served):
    answer = served.get(f"/v2/aggs/ticker/AAPL/range/1/day/{NOON + DAY}/{NOON + 2 * DAY}")
    assert answer.status_code == 403
    assert answer.json()["status"] == "NOT_AUTHORIZED"
    assert "timeframe" in answer.json()["message"]


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/v2/aggs/ticker/AAPL/range/1/minute/2026-09-22/2026-09-21", "cannot be a time that occurs before"),
        ("/v2/aggs/ticker/AAPL/range/1/fortnight/2026-09-21/2026-09-22", "fortnight"),
        ("/v2/aggs/ticker/AAPL/range/0/minute/2026-09-21/2026-09-22", "multiplier"),
        ("/v2/aggs/ticker/AAPL/range/1/minute/21-09-2026/2026-09-22", "21-09-2026"),
        ("/v2/aggs/ticker/AAPL/range/1/minute/2026-09-21/2026-09-22?limit=50001", "50000"),
        ("/v2/aggs/ticker/AAPL/range/1/minute/2026-09-21/2026-09-22?sort=up", "up"),
        ("/v2/reference/news?limit=1001", "1000"),
        ("/v2/reference/news?published_utc.gte=yesterday", "yesterday"),
        ("/v2/reference/news?cursor=_w", "cursor"),
    ],
)
def test_a_bad_request_names_the_value(served, path, said):
    answer = served.http.get(path)
    assert answer.status_code == 400
    assert said in answer.json()["error"]


def test_a_rate_limit_answers_as_the_vendor_does(serve, clock):
    limited = serve(synthetic_market(1, "24/7", 5, clock=clock), clock, calls_per_minute=2)
    codes = [limited.get("/v1/marketstatus/now").status_code for _ in range(3)]
    assert codes == [200, 200, 429]
    assert "maximum requests per minute" in limited.get("/v1/marketstatus/now").json()["error"]
    assert limited.get("/simulator/labels").status_code == 200

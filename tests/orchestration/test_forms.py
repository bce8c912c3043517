"""The form's range: dates are New York's, nonsense is refused with what to do."""

from datetime import UTC, datetime

import pytest

from include.orchestration.forms import bars_params, read_range, read_symbols
from include.surveillance.errors import ConfigurationError
from include.surveillance.timespans import POLLED, to_ms
from tests.paths import ROOT
from tests.stored_dags import store_dag

NOW = datetime(2026, 11, 20, 18, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("first", "last", "start", "end"),
    [
        ("2026-11-18", "2026-11-19", "2026-11-18T05:00Z", "2026-11-20T05:00Z"),
        ("2026-03-07", "2026-03-08", "2026-03-07T05:00Z", "2026-03-09T04:00Z"),  # clocks change: 23 hours
        ("2026-11-19T14:30:00Z", "2026-11-19T15:00:00+00:00", "2026-11-19T14:30Z", "2026-11-19T15:00Z"),
        ("2026-11-19T09:30:00-05:00", "2026-11-19", "2026-11-19T14:30Z", "2026-11-20T05:00Z"),
        ("2026-11-20", "2026-11-20", "2026-11-20T05:00Z", "2026-11-20T18:30Z"),  # today, until now
    ],
)
def test_range(first, last, start, end):
    expected = tuple(to_ms(datetime.fromisoformat(text)) for text in (start, end))
    assert read_range({"from": first, "to": last}, NOW) == expected


@pytest.mark.parametrize("nothing", [None, ""])
@pytest.mark.parametrize(
    ("calendar", "last", "now", "start", "end"),
    [
        # Friday, while the market is open: Thursday from its pre-market on, and today until now.
        ("XNYS", None, "2026-11-20T18:30Z", "2026-11-19T09:00Z", "2026-11-20T18:30Z"),
        ("XNYS", None, "2026-11-22T18:30Z", "2026-11-19T09:00Z", "2026-11-22T18:30Z"),  # Sunday
        ("XNYS", None, "2026-11-20T12:00Z", "2026-11-18T09:00Z", "2026-11-20T12:00Z"),  # before today's open
        ("XNYS", "2026-11-18", "2026-11-20T18:30Z", "2026-11-17T09:00Z", "2026-11-19T05:00Z"),
        ("24/7", None, "2026-11-22T18:30Z", "2026-11-21T00:00Z", "2026-11-22T18:30Z"),
    ],
)
def test_empty_dates_mean_the_last_two_sessions(monkeypatch, nothing, calendar, last, now, start, end):
    monkeypatch.setenv("MARKET_CALENDAR", calendar)
    expected = tuple(to_ms(datetime.fromisoformat(text)) for text in (start, end))
    given = {"from": nothing, "to": last or nothing}
    assert read_range(given, datetime.fromisoformat(now)) == expected


def test_an_empty_to_means_now():
    expected = to_ms(datetime(2026, 11, 18, 5, tzinfo=UTC)), to_ms(NOW)
    assert read_range({"from": "2026-11-18", "to": None}, NOW) == expected


@pytest.mark.parametrize(
    ("first", "last", "said"),
    [
        ("2026-11-19", "2026-11-18", "from=2026-11-19 is not before to=2026-11-18"),
        ("2026-11-19T15:00:00Z", "2026-11-19T15:00:00Z", "nothing to backfill"),
        ("2026-11-21", "2026-11-22", "from=2026-11-21 lies in the future"),
        ("2026-11-19", "2026-11-21", "to=2026-11-21 lies in the future"),
        ("yesterday.", "2026-11-18", "from='yesterday.' is neither a date"),
        ("2026-11-18", "2026-13-40", "to='2026-13-40' is neither a date"),
    ],
)
def test_nonsense_is_refused_with_what_to_do(first, last, said):
    with pytest.raises(ConfigurationError, match=said):
        read_range({"from": first, "to": last}, NOW)


@pytest.mark.parametrize("word", ["{{ 7*7 }}", "aapl", "AAPL\n", "AAPL MSFT", "../x", "", "A" * 16, "\uff21"])
def test_a_word_that_is_no_ticker_is_refused_wherever_it_is_read(word):
    with pytest.raises(ConfigurationError, match="no ticker"):
        read_symbols({"symbols": ["AAPL", word]})


def test_symbols_are_read_once_each_in_the_order_given():
    assert read_symbols({"symbols": ["MSFT", "BRK.B", "MSFT"]}) == ["MSFT", "BRK.B"]


def test_every_polled_timespan_can_be_chosen_and_an_empty_list_of_symbols_says_what_it_means():
    params = bars_params(no_symbols="the watchlist")
    assert params["timespan"].schema["enum"] == list(POLLED)
    assert params["symbols"].description == "Empty: the watchlist"


RUNS = "/api/v2/dags/backfill_market_data/dagRuns"
RANGE = {"from": "2026-11-18", "to": "2026-11-18"}


@pytest.fixture
def run(client, sign_in):
    """Ask Airflow's API server for a run of the backfill, as its administrator."""
    from airflow.dag_processing.dagbag import DagBag

    store_dag(DagBag(dag_folder=str(ROOT / "dags" / "backfill_market_data.py")).dags["backfill_market_data"])
    headers = sign_in("Admin")
    return lambda conf, **more: client.post(RUNS, headers=headers, json={"logical_date": None, "conf": conf} | more)


@pytest.mark.parametrize(
    ("given", "more"),
    [
        ({"symbols": ["{{ conn.snowflake_default.password }}"]}, {}),
        ({"symbols": ["AAPL\n"]}, {}),
        ({"symbols": "{{ 7*7 }}"}, {}),
        ({"from": "{{ 7*7 }}     "}, {}),
        ({"timespan": "{{ 7*7 }}"}, {}),
        ({"chunk_days": "{{ 7*7 }}"}, {}),
        ({"news": "{{ 7*7 }}"}, {}),
        ({}, {"dag_run_id": "{{ 7*7 }}"}),
        ({}, {"dag_run_id": "<!channel>\n"}),
    ],
)
def test_the_api_makes_no_run_of_a_hostile_configuration(run, given, more):
    answer = run(RANGE | given, **more)
    assert answer.status_code in (400, 422), answer.text


def test_the_api_makes_a_run_of_what_the_form_accepts(run):
    answer = run(RANGE | {"symbols": ["AAPL", "BRK.B"]})
    assert (answer.status_code, answer.json()["conf"]["symbols"]) == (200, ["AAPL", "BRK.B"]), answer.text


@pytest.mark.parametrize("conf", [{}, {"from": None, "to": None}, {"from": "", "to": ""}])
def test_the_api_makes_a_run_without_dates(run, conf):
    answer = run(conf)
    assert answer.status_code == 200, answer.text
    assert not answer.json()["conf"].get("from")


@pytest.mark.parametrize("dag_id", ["backfill_market_data", "backtest_rules", "calibrate_rules", "compare_parameters"])
def test_a_form_that_is_left_empty_can_be_sent(client, sign_in, dag_id):
    """A page sends null for a field that is empty, and lets a run start only where null is allowed."""
    from airflow.dag_processing.dagbag import DagBag

    dag = DagBag(dag_folder=str(ROOT / "dags" / f"{dag_id}.py")).dags[dag_id]
    store_dag(dag)
    about = {name: dag.params.get_param(name).description or "" for name in dag.params}
    texts = [name for name, text in about.items() if "empty" in text.lower()]
    assert {"from", "to", "symbols"} <= set(texts)
    answer = client.post(
        f"/api/v2/dags/{dag_id}/dagRuns",
        headers=sign_in("Admin"),
        json={"logical_date": None, "conf": dict.fromkeys(texts)},
    )
    assert answer.status_code == 200, answer.text


def test_no_symbols_are_an_empty_list():
    assert read_symbols({"symbols": None}) == []

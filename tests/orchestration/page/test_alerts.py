"""What the page shows of alerts: all that is known of one, what was around it, its like, and if it is reproduced."""

from __future__ import annotations

import csv
import io
from decimal import Decimal

import pytest
from msgspec.structs import replace

from include.orchestration import connections
from include.orchestration.application import reviews
from include.orchestration.application.cases import store_case
from include.orchestration.application.database import statement
from include.orchestration.application.evidence import store_evidence
from include.orchestration.application.reviews import NO_FILTER
from include.orchestration.page import alerts as page
from include.surveillance import broker
from include.surveillance.alerts.incidents import fold_incidents
from include.surveillance.alerts.latency import LatencyStamps
from include.surveillance.desk.cases import open_case
from include.surveillance.desk.evidence import Evidence
from include.surveillance.records import Bar, NewsItem
from include.surveillance.studies import explanation
from include.surveillance.studies.explanation import Explained
from tests.orchestration.conftest import alert, store, transaction

PATH = "/surveillance/api/v1"
AT = 1_700_000_000_000
KO = alert("KO", before_value=0.05, before_threshold=0.02, rarity_sessions=250.0)
OWN = {"X-Surveillance": "page"}


def bar(minute=0, **fields):
    prices = dict.fromkeys(("open", "high", "low", "close"), 50.0)
    return Bar(symbol="KO", timespan="minute", ts_ms=AT + minute * 60_000, **prices, volume=Decimal(100), **fields)


def keep(one, bars, news=()):
    kept = {"symbol": one.symbol, "timespan": "minute", "ts_ms": AT}
    store_evidence([Evidence(alert_id=one.event_id, bars=tuple(bars), news=tuple(news), **kept)])


@pytest.fixture
def get(client, viewer, desk):
    desk("truncate evidence")

    def get(path, **query):
        return client.get(f"{PATH}/{path}", params=query, headers=viewer)

    return get


def test_all_that_is_known_of_an_alert(get):
    store([KO], {KO.event_id: LatencyStamps(AT + 61_000, AT + 62_000, AT + 63_000, AT + 64_000)})
    number = store_case(open_case("KO moved", "", [KO.event_id], "nina"))
    answer = get(f"alerts/{KO.event_id}").json()
    assert answer["record"]["rarity_sessions"] == 250.0
    assert answer["versions"] == {"rule_version": 1, "parameters_version": "test", "profile_version": None}
    assert answer["correction"]["before_value"] == 0.05
    assert (answer["correction"]["value"], answer["correction"]["status"]) == (0.031, "fired")
    assert [(step["name"], step["seconds"]) for step in answer["steps"][:5]] == [
        ("bar closed", 0.0),
        ("polled", 1.0),
        ("appended", 2.0),
        ("detected", 3.0),
        ("published", 4.0),
    ]
    assert [it["case_id"] for it in answer["cases"]] == [number]
    assert (answer["told"], answer["evidence"]) == ([], None)


def test_the_calendar_says_of_which_session_a_bar_is(get, desk, monkeypatch):
    store([alert("KO")])
    # Friday the day after Thanksgiving, 2023: the market closes at 13:00 New York, 18:00 UTC.
    close = -((AT - 1_700_848_800_000) // 60_000)
    keep(KO, [bar(close - 1), bar(close), bar(close + 3 * 24 * 60)])
    asked = [it["session"] for it in get(f"alerts/{KO.event_id}/bars").json()["bars"]]
    assert asked == ["2023-11-24", None, "2023-11-27"]
    monkeypatch.setenv("MARKET_CALENDAR", "24/7")
    asked = [it["session"] for it in get(f"alerts/{KO.event_id}/bars").json()["bars"]]
    assert asked == ["2023-11-24", "2023-11-24", "2023-11-27"]


def test_bars_and_news_that_were_kept(get, desk):
    store([alert("KO", event_ids=(bar().event_id, "elsewhere"))])
    article = NewsItem(
        symbol="KO", article_id="a", published_ms=AT, title="<b>news</b>", url="https://x", publisher="P"
    )
    keep(KO, [bar(-1), bar()], [article])
    answer = get(f"alerts/{KO.event_id}/bars").json()
    assert [(it["volume"], it["cited"]) for it in answer["bars"]] == [(100.0, False), (100.0, True)]
    assert answer["cited"] == [bar().event_id, "elsewhere"]
    assert answer["news"][0]["title"] == "<b>news</b>"
    assert (answer["intact"], len(answer["evidence"]["sha256"])) == (True, 64)
    assert get(f"alerts/{KO.event_id}").json()["evidence"] == answer["evidence"]


def test_evidence_that_somebody_changed_is_named(get, desk):
    store([KO, alert("PEP")])
    keep(KO, [bar()])
    keep(alert("PEP"), [])
    desk("alter table evidence disable trigger user")
    other = "(select content from evidence where alert_id like '%%PEP%%')"
    desk(f"update evidence set content = {other} where alert_id = %s", KO.event_id)
    desk("alter table evidence enable trigger user")
    assert get(f"alerts/{KO.event_id}/bars").json()["intact"] is False


def test_what_is_not_kept_yet_comes_from_kafka(get, topics, monkeypatch):
    monkeypatch.setattr(connections, "kafka", lambda: topics)
    store([KO])
    broker.publish(topics, [bar(5), bar(61), bar(-200)])
    answer = get(f"alerts/{KO.event_id}/bars").json()
    assert (answer["evidence"], [it["event_id"] for it in answer["bars"]]) == (None, [bar(5).event_id])


def test_another_symbol_is_read_around_the_same_bar(get, topics, monkeypatch):
    monkeypatch.setattr(connections, "kafka", lambda: topics)
    store([KO])
    keep(KO, [bar()])
    others = [replace(bar(minute), symbol="SPY", event_id="") for minute in (-1, 0, 61)]
    broker.publish(topics, others)
    answer = get(f"alerts/{KO.event_id}/bars", of="spy").json()
    assert [it["event_id"] for it in answer["bars"]] == [it.event_id for it in others[:2]]
    assert (answer["symbol"], answer["evidence"], answer["intact"]) == ("SPY", None, True)
    assert get(f"alerts/{KO.event_id}/bars", of="KO").json()["evidence"], "its own are those that were kept"


def test_its_like_and_how_they_ended(get, desk):
    later = {"ts_ms": AT + 3_600_000, "episode_start_ms": AT + 3_600_000}
    same, other, minute = alert("KO", **later), alert("PEP", **later), alert("MSFT", rule="price_breakout")
    store([KO, same, other, minute])
    reviews.change_reviews("nina", "close", {same.event_id: 0}, lambda it, _: reviews.Review(
        state="closed", owner="nina", reason="usual", closed_by="nina", version=it.version + 1))  # fmt: skip
    answer = get(f"alerts/{KO.event_id}/alike").json()
    named = {name: {it["symbol"] for it in answer[name]} for name in ("symbol", "rule", "minute")}
    assert named == {"symbol": {"KO"}, "rule": {"KO", "PEP"}, "minute": {"MSFT"}}
    assert answer["symbol"][0]["state"] == "closed"
    assert answer["endings"] == [{"reason": "usual", "disposition": "false positive", "alerts": 1}]


@pytest.fixture
def explain(client, viewer, desk, topics, monkeypatch):
    """A function: what the log says of KO, given what the domain finds."""
    monkeypatch.setattr(connections, "kafka", lambda: topics)
    store([KO])
    row = {"event_ids": [bar().event_id, "gone"], "threshold": 0.02}

    def explain(stored, reproduced, unsupported=()):
        found = Explained(stored, reproduced, {bar().event_id: bar()}, list(unsupported))
        monkeypatch.setattr(explanation, "explain_from_log", lambda *_, **__: found)
        return client.post(f"{PATH}/alerts/{KO.event_id}/explain", headers=viewer | OWN, json={})

    explain.row = row
    return explain


def test_an_explanation_says_what_came_out(explain):
    row = explain.row
    answer = explain([row], [row]).json()
    assert (answer["verdict"], answer["stored"], answer["reproduced"]) == ("reproduced", 1, 1)
    assert ([it["event_id"] for it in answer["inputs"]], answer["missing"]) == ([bar().event_id], ["gone"])
    assert explain([row], [row | {"threshold": 0.03}]).json()["verdict"] == "differs"
    assert explain([row], []).json()["verdict"] == "not reproduced"
    assert explain([row], [row], ["it does not follow"]).json()["verdict"] == "not supported"


def test_one_is_explained_at_a_time_and_none_from_too_long_a_log(explain, monkeypatch):
    with page._explaining:
        assert explain([explain.row], [explain.row]).status_code == 503
    monkeypatch.setattr(page, "MOST_MESSAGES", -1)
    assert "in a shell" in explain([explain.row], [explain.row]).json()["detail"]


def test_an_alert_that_the_log_does_not_have_is_said(client, viewer, desk, topics, monkeypatch):
    monkeypatch.setattr(connections, "kafka", lambda: topics)
    store([KO])
    answer = client.post(f"{PATH}/alerts/{KO.event_id}/explain", headers=viewer | OWN, json={})
    assert (answer.status_code, "it keeps 30 days" in answer.json()["detail"]) == (404, True)


def test_the_tabs(get):
    store([KO, alert("AMZN", rule="log_break"), alert("PEP", source="backfill")])
    tabs = {tab: [it["symbol"] for it in get("alerts", tab=tab).json()["alerts"]] for tab in page.Tab.__args__}
    assert tabs == {"market": ["KO"], "operations": ["AMZN"], "history": ["PEP"]}
    assert get("alerts", tab="weather").status_code == 422


def test_a_filter_as_a_table(get, monkeypatch):
    monkeypatch.setattr(page, "AT_ONCE", 3)
    hostile = '=HYPERLINK("https://x")\n,\''
    store([alert(f"S{number}", explanation=hostile) for number in range(8)])
    answer = get("alerts.csv")
    assert answer.headers["Content-Type"].startswith("text/csv")
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    shown = get("alerts").json()["alerts"]
    assert [row["alert_id"] for row in rows] == [row["alert_id"] for row in shown]
    assert {row["explanation"] for row in rows} == {f"'{hostile}"}
    assert {float(row["value"]) for row in rows} == {0.031}
    monkeypatch.setattr(page, "MOST_ROWS", 5)
    assert len(list(csv.DictReader(io.StringIO(get("alerts.csv").text)))) == 5
    assert get("alerts.csv", symbol="NONE").text == ""


MANY = """
insert into alerts (
    alert_id, rule, symbol, timespan, bar_at, severity, score, direction, value, threshold, session_phase,
    session_date, data_age_ms, source, explanation, event_ids, tag, closed
)
select
    'rule|S' || n % 50 || '|minute|' || n || '|v1', 'price_gap', 'S' || n % 50, 'minute',
    now() - make_interval(mins => n), 'high', n % 100, 'up', 1, 1, 'regular', '2026-01-02', 0, 'live', 'text', '{}',
    case when n % 3 = 0 then 'unexplained' else 'news' end, n % 10 <> 0
from generate_series(1, 20000) as n
"""


@pytest.mark.parametrize("order", ["priority", "newest"])
@pytest.mark.parametrize("states", [None, ["open", "in review", "to sign"]])
def test_a_page_of_a_long_queue_reads_little_more_than_its_rows(desk, order, states):
    with transaction() as cursor:
        cursor.execute(MANY)
    with connections.application_database() as database:
        database.commit()
        database.autocommit = True
        database.execute("vacuum analyze alerts")
    filters = NO_FILTER | {"order": order, "kind": "market", "source": "live", "states": states}
    first, following = reviews.select_queue(filters, None, 50)
    second, _ = reviews.select_queue(filters, following, 50)
    assert len({row["alert_id"] for row in first + second}) == 100
    for after in (None, following):
        assert count_read(filters, after) < 200


@pytest.mark.parametrize(
    "filters",
    [
        {"owner": "nina"},
        {"tag": "halt"},
        {"states": ["to sign"]},
        {"text": "nothing has it"},
        {"text": "100 %", "tag": "unexplained"},
    ],
    ids=str,
)
def test_a_filter_that_few_match_reads_little_more_than_its_rows(desk, filters):
    with transaction() as cursor:
        cursor.execute(MANY)
        # Four thousand closed ones of hers, and one that she is at.
        cursor.execute(
            "insert into reviews (alert_id, state, owner, reason, closed_by) "
            "select alert_id, 'closed', 'nina', 'usual', 'nina' from alerts where closed limit 4000"
        )
        cursor.execute(
            "insert into reviews (alert_id, state, owner) "
            "select alert_id, 'in review', 'nina' from alerts where not closed order by alert_id limit 1"
        )
    with connections.application_database() as database:
        database.commit()
        database.autocommit = True
        database.execute("vacuum analyze alerts, reviews")
    wanted = NO_FILTER | {"order": "priority", "kind": "market", "source": "live"}
    wanted |= {"states": ["open", "in review", "to sign"]} | filters
    found, following = reviews.select_queue(wanted, None, 50)
    assert (len(found), following) == ("owner" in filters, None)
    assert count_read(wanted, None) < 200


def count_read(filters, after):
    """Count the rows of table alerts that PostgreSQL reads for a page."""
    place = dict(zip(reviews._NO_PLACE, reviews._decode_place(after), strict=True)) if after else reviews._NO_PLACE
    values = {**filters, **place, **reviews._read_states(filters["states"]), "limit": 51}
    with transaction() as cursor:
        cursor.execute("explain (analyze, format json) " + statement("queue_alerts"), values)
        ((plans,),) = cursor.fetchall()

    def rows(node):
        own = (node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"]
        return (own if node.get("Relation Name") == "alerts" else 0) + sum(map(rows, node.get("Plans", [])))

    return rows(plans[0]["Plan"])


def test_times_are_utc_in_the_table(get):
    store([KO])
    (row,) = csv.DictReader(io.StringIO(get("alerts.csv").text))
    assert row["bar_at"] == "2023-11-14T22:13:20.000000Z"


@pytest.mark.parametrize(
    ("query", "symbols"),
    [
        ({"symbol": "zvzzt "}, ["ZVZZT"]),
        ({"rule": "price_gap"}, ["KO"]),
        ({"severity": "critical"}, ["ZVZZT"]),
        ({"severity": ["critical", "high"]}, ["ZVZZT", "KO"]),
        ({"since": "2023-11-14T22:13:20Z", "until": "2023-11-14T22:14:20Z"}, ["KO"]),
        ({"limit": 1}, ["ZVZZT"]),
        ({"symbol": "' or 1=1"}, []),
        ({"rule": "<img src=x onerror=alert(1)> '; drop table alerts; --"}, []),
    ],
)
def test_filters(get, query, symbols):
    later = {"ts_ms": AT + 60_000, "episode_start_ms": AT + 60_000}
    store([alert("KO"), alert("ZVZZT", rule="news_impact", severity="critical", **later)])
    assert [it["symbol"] for it in get("alerts", order="newest", **query).json()["alerts"]] == symbols


@pytest.mark.parametrize(
    "query",
    [
        *({"kind": "weather"}, {"severity": "huge"}, {"limit": 0}, {"limit": 100_000}, {"order": "random"}),
        *({"since": "yesterday"}, {"since": "2026-01-01T00:00:00"}),
    ],
)
def test_impossible_filter_is_refused(get, query):
    assert get("alerts", **query).status_code == 422


def test_operations_and_history_have_queues_of_their_own(get):
    quality, history = {"rule": "data_quality"}, {"source": "backfill"}
    store([KO, alert("ZVZZT", **quality), alert("polygon.bars.raw", rule="log_break")])
    store([alert("OLD", **history), alert("BAD", **quality, **history)])
    store(fold_incidents([alert("ZVZZT", **quality), alert("BAD", **quality, **history)]))

    def shown(**query):
        return sorted(row["symbol"] for row in get("alerts", **query).json()["alerts"])

    assert shown(kind="market") == ["KO"]
    assert shown(kind="operations") == ["FEED", "polygon.bars.raw"]
    assert (shown(history=True), shown(kind="operations", history=True)) == (["OLD"], ["FEED"])
    assert shown(kind="operations", symbol="ZVZZT") == ["ZVZZT"], "what is folded can be asked for"

"""The surveillance page inside Airflow's real API server: login, filters, and nothing shown as markup."""

import json
import re
from datetime import datetime

import pytest

from include.orchestration import connections
from include.orchestration.application.database import migrate_database
from include.orchestration.page import app
from include.surveillance.alerts.incidents import fold_incidents
from include.surveillance.desk.reviews import STATES
from include.surveillance.records import TAGS, Alert
from include.surveillance.severities import SEVERITIES
from include.surveillance.timespans import SPAN_MS
from tests.orchestration.conftest import store

FILES = ["/surveillance/", *(f"/surveillance/web/{name}" for name in app.FILES)]
OWN = [path for name, path in app.FILES.items() if not name.startswith(app.VENDORED)]
HOSTILE = "<img src=x onerror=alert(1)> '; drop table alerts; --"


def alert(symbol="ACME", rule="price_gap", severity="high", ts_ms=1_700_000_000_000, **changes):
    fields = {
        "rule_version": 1,
        "parameters_version": "test",
        "timespan": "minute",
        "bar_close_ms": ts_ms + 60_000,
        "value": 0.031,
        "threshold": 0.02,
        "window_start_ms": ts_ms,
        "window_end_ms": ts_ms + 60_000,
        "score": 70.0,
        "episode_start_ms": ts_ms,
        "session_phase": "regular",
        "session_date": "2023-11-14",
        "data_age_ms": 900,
        "event_ids": ("one",),
        "explanation": f"{symbol} opened 3.1 % above the previous close",
    }
    return Alert(symbol=symbol, rule=rule, severity=severity, ts_ms=ts_ms, **(fields | changes))


@pytest.fixture
def stored(postgres, postgres_reader, monkeypatch):
    """The application database with nothing in it but what the test stores."""
    monkeypatch.setenv("AIRFLOW_CONN_SURVEILLANCE_DB", postgres)
    monkeypatch.setenv("AIRFLOW_CONN_SURVEILLANCE_READER", postgres_reader)
    migrate_database()
    with connections.application_database() as database, database.cursor() as cursor:
        cursor.execute("truncate alerts, outbox, channels")
    return store


@pytest.mark.parametrize("route", ["docs", "redoc", "openapi.json"])
def test_no_generated_documentation_is_open(client, route):
    assert client.get(f"/surveillance/{route}").status_code == 404


@pytest.mark.parametrize("route", FILES)
def test_page_is_served_and_may_load_from_its_own_host_only(client, viewer, route):
    answer = client.get(route, headers=viewer)
    assert answer.status_code == 200
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'; script-src 'self'; style-src 'self'" in policy
    assert "unsafe" not in policy


@pytest.mark.parametrize("route", ["nothing.js", "../app.py", "%2e%2e/app.py", "vendor/", "page.css"])
def test_nothing_else_is_served(client, viewer, route):
    assert client.get(f"/surveillance/web/{route}", headers=viewer).status_code == 404


def test_page_is_in_the_navigation(client, viewer):
    plugins = client.get("/api/v2/plugins", headers=viewer).json()["plugins"]
    (page,) = [plugin for plugin in plugins if plugin["name"] == "surveillance_page"]
    assert page["external_views"] == []
    apps = {it["name"]: (it["destination"], it["bundle_url"]) for it in page["react_apps"]}
    assert {name: where for name, (where, _) in apps.items()} == {"Surveillance": "nav", "Pulse": "dashboard"}
    for name, (_, bundle) in apps.items():
        assert f'show("{name}"' in client.get(bundle, headers=viewer).text, "Airflow finds it by its name"


def test_scripts_never_set_markup_and_load_nothing_from_elsewhere():
    for path in OWN:
        text = path.read_text()
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|new Function", text), path
        assert not re.search(r"(from|import|src=|url\() ?[\"'(]?https?:", text), path
    page = app.FILES["page.html"].read_text()
    assert not re.search(r"<script>|\s(style|on\w+)=", page)


def test_the_desk_knows_every_word():
    words = app.FILES["words.js"].read_text()
    for name, known in (("SEVERITIES", SEVERITIES), ("TAGS", TAGS), ("STATES", STATES), ("TIMESPANS", SPAN_MS)):
        (listed,) = re.findall(rf"{name} = \[([^\]]*)\]", words)
        assert set(re.findall('"([^"]+)"', listed)) == set(known), name


def test_newest_alerts_first_with_counts_per_rule(client, viewer, stored):
    stored(
        [alert(ts_ms=1_700_000_000_000 + n * 60_000) for n in range(3)]
        + [alert("ZVZZT", "news_impact", ts_ms=1_699_999_940_000)]
    )
    answer = client.get("/surveillance/api/alerts", headers=viewer).json()
    assert [one["symbol"] for one in answer["alerts"]] == ["ACME", "ACME", "ACME", "ZVZZT"]
    starts = [one["bar_at"] for one in answer["alerts"]]
    assert starts == sorted(starts, reverse=True)
    counts = {count["rule"]: (count["alerts"], count["symbols"]) for count in answer["counts"]}
    assert counts == {"price_gap": (3, 1), "news_impact": (1, 1)}
    first = answer["alerts"][0]
    assert datetime.fromisoformat(first["bar_at"]).timestamp() * 1_000 == 1_700_000_120_000
    assert (first["value"], first["threshold"], first["baseline"]) == (0.031, 0.02, None)


def test_what_nothing_explains_comes_first_in_its_session(client, viewer, stored):
    evidence = ("news|a1|-5 min|negative",)
    today = [alert("NEWS", ts_ms=1_700_000_060_000, tag="news", tag_evidence=evidence), alert("WHY", tag="unexplained")]
    before = alert("OLD", ts_ms=1_699_900_000_000, session_date="2023-11-13", tag="unexplained")
    stored([*today, before])
    shown = client.get("/surveillance/api/alerts", params={"kind": "market"}, headers=viewer).json()["alerts"]
    assert [one["symbol"] for one in shown] == ["WHY", "NEWS", "OLD"]
    assert (shown[1]["tag"], shown[1]["tag_evidence"]) == ("news", list(evidence))


def test_an_alert_says_its_form_its_status_and_what_stood_before(client, viewer, stored):
    stored([alert(form="robust", profile_version="2023-11-13|abc", status="refired", firings=4)])
    stored([alert("ZVZZT", status="retracted", before_value=0.04, before_threshold=0.02)])
    alerts = {one["symbol"]: one for one in client.get("/surveillance/api/alerts", headers=viewer).json()["alerts"]}
    live, gone = alerts["ACME"], alerts["ZVZZT"]
    assert (live["form"], live["status"], live["firings"]) == ("robust", "refired", 4)
    assert (live["profile_version"], live["before_value"], live["inhibited_by"]) == ("2023-11-13|abc", None, None)
    assert (gone["form"], gone["status"], gone["before_value"], gone["before_threshold"]) == (
        "literal",
        "retracted",
        0.04,
        0.02,
    )


def test_the_newest_run_of_each_stage_is_shown(client, viewer, stored):
    with connections.application_database() as database, database.cursor() as cursor:
        cursor.execute("truncate batches")
        cursor.execute(
            "insert into batches (dag_id, run_id, stage, started_at, ended_at, tasks, failed, records)"
            " select 'land_raw', run::text, 'land', now(), now() + run * interval '1 s', 6, 0, null"
            " from generate_series(1, 3) run"
        )
    (row,) = client.get("/surveillance/api/batches", headers=viewer).json()
    assert (row["stage"], row["run_id"], row["tasks"], row["records"]) == ("land", "3", 6, None)


@pytest.mark.parametrize(
    ("query", "symbols"),
    [
        ({"symbol": "zvzzt "}, ["ZVZZT"]),
        ({"rule": "price_gap"}, ["ACME"]),
        ({"severity": "critical"}, ["ZVZZT"]),
        ({"since": "2023-11-14T22:13:20Z", "until": "2023-11-14T22:14:20Z"}, ["ACME"]),
        ({"limit": 1}, ["ZVZZT"]),
        ({"symbol": "' or 1=1"}, []),
        ({"rule": HOSTILE[:40]}, []),
    ],
)
def test_filters(client, viewer, stored, query, symbols):
    later = 1_700_000_060_000
    stored([alert(), alert("ZVZZT", "news_impact", "critical", later)])
    answer = client.get("/surveillance/api/alerts", params=query, headers=viewer)
    assert answer.status_code == 200
    assert [one["symbol"] for one in answer.json()["alerts"]] == symbols


def test_operations_and_history_have_queues_of_their_own(client, viewer, stored):
    quality = {"rule": "data_quality", "session_date": "2023-11-14"}
    history = [alert("OLD", source="backfill"), alert("BAD", **quality, source="backfill")]
    stored([alert(), alert("ZVZZT", **quality), alert("polygon.bars.raw", "log_break"), *history])
    stored(fold_incidents([alert("ZVZZT", **quality), alert("BAD", **quality, source="backfill")]))

    def shown(**query):
        rows = client.get("/surveillance/api/alerts", params=query, headers=viewer).json()["alerts"]
        return sorted((row["symbol"], row["kind"]) for row in rows)

    assert shown(kind="market") == [("ACME", "market")]
    assert shown(kind="operations") == [("FEED", "operations"), ("polygon.bars.raw", "operations")]
    assert shown(history=True) == [("FEED", "operations"), ("OLD", "market")]
    assert shown() == sorted(shown(kind="market") + shown(kind="operations"))
    assert shown(symbol="ZVZZT") == [("ZVZZT", "operations")], "what is folded can be asked for"


@pytest.mark.parametrize(
    "query", [{"kind": "weather"}, {"severity": "huge"}, {"limit": 0}, {"limit": 100_000}, {"since": "yesterday"}]
)
def test_impossible_filter_is_refused(client, viewer, query):
    assert client.get("/surveillance/api/alerts", params=query, headers=viewer).status_code == 422


def test_hostile_text_comes_back_as_text(client, viewer, stored):
    stored([alert(explanation=HOSTILE)])
    answer = client.get("/surveillance/api/alerts", headers=viewer)
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert json.loads(answer.text)["alerts"][0]["explanation"] == HOSTILE

"""The surveillance page inside Airflow's real API server: its files, and nothing of them loads from elsewhere."""

import re

import pytest

from include.orchestration import connections
from include.orchestration.page import app
from include.surveillance.desk.reviews import STATES
from include.surveillance.records import TAGS
from include.surveillance.severities import SEVERITIES
from include.surveillance.timespans import SPAN_MS

FILES = ["/surveillance/", *(f"/surveillance/web/{name}" for name in app.FILES)]
OWN = [path for name, path in app.FILES.items() if not name.startswith(app.VENDORED)]


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


def test_the_page_asks_at_once_for_all_that_the_queue_loads():
    """One script that is named by another would be asked for only when that has come."""
    loaded, found = set(), {"desk.js"}
    while found - loaded:
        (name, *_) = found - loaded
        loaded.add(name)
        found |= set(re.findall(r'\bfrom "\./([^"]+)";$', app.FILES[name].read_text(), re.MULTILINE))
    preloaded = re.findall('rel="modulepreload" href="web/([^"]+)"', app.FILES["page.html"].read_text())
    assert sorted(preloaded) == sorted(found - {"desk.js"})


def test_the_desk_knows_every_word():
    words = app.FILES["words.js"].read_text()
    for name, known in (("SEVERITIES", SEVERITIES), ("TAGS", TAGS), ("STATES", STATES), ("TIMESPANS", SPAN_MS)):
        (listed,) = re.findall(rf"{name} = \[([^\]]*)\]", words)
        assert set(re.findall('"([^"]+)"', listed)) == set(known), name


def test_the_newest_run_of_each_stage_is_shown(client, viewer, database):
    with connections.application_database() as opened, opened.cursor() as cursor:
        cursor.execute("truncate batches")
        cursor.execute(
            "insert into batches (dag_id, run_id, stage, started_at, ended_at, tasks, failed, records)"
            " select 'land_raw', run::text, 'land', now(), now() + run * interval '1 s', 6, 0, null"
            " from generate_series(1, 3) run"
        )
    (row,) = client.get("/surveillance/api/batches", headers=viewer).json()
    assert (row["stage"], row["run_id"], row["tasks"], row["records"]) == ("land", "3", 6, None)

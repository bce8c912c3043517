"""The page's monitoring: a real Prometheus is asked what the shipped dashboards ask, and a browser draws it."""

from __future__ import annotations

import json
import time
from contextlib import ExitStack

import httpx
import pytest
import yaml

from include.local_stack.ports import HOST
from include.orchestration.page.monitoring import write_title
from tests.conftest import free_port, service
from tests.monitoring.shipped import DASHBOARDS, panels, program, query
from tests.sinks import Answer, HttpSink, serving

ADDRESS = "/surveillance/api/v1/monitoring"
HOSTILE = "<img src=x onerror=alert(1)>"


def metrics() -> bytes:
    """What a platform exports whose newest minute is 100 s old, with a hostile label."""
    lines = [
        f'surveillance_watermark_timestamp_seconds{{timespan="minute"}} {time.time() - 100:.0f}',
        *(f'surveillance_polled_symbols{{timespan="{HOSTILE}{number}"}} {number}' for number in range(30)),
    ]
    return "\n".join([*lines, ""]).encode()


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory):
    """A Prometheus that has asked one target for a few seconds; returns its address."""
    command, folder, port = program("prometheus"), tmp_path_factory.mktemp("prometheus"), free_port()
    target = HttpSink()
    target.answer = lambda _: Answer(headers={"Content-Type": "text/plain; version=0.0.4"}, body=metrics())
    scraped = {"job_name": "target", "static_configs": [{"targets": [target.url.removeprefix("http://")]}]}
    config = {"global": {"scrape_interval": "1s"}, "scrape_configs": [scraped]}
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    listen = f"--web.listen-address={HOST}:{port}"
    where = [f"--config.file={folder / 'prometheus.yml'}", f"--storage.tsdb.path={folder / 'data'}", listen]
    address = f"http://{HOST}:{port}"

    def ready() -> bool:
        try:
            return bool(query(address, "surveillance_polled_symbols"))
        except httpx.HTTPError:  # it has not started yet
            return False

    with ExitStack() as running:
        running.enter_context(serving(target))
        running.enter_context(service([command, *where], ready, folder / "prometheus.log"))
        yield address


def test_every_dashboard_is_named_with_its_title(client, viewer):
    answer = client.get(ADDRESS, headers=viewer).json()["dashboards"]
    assert answer == [{"name": it.stem, "title": json.loads(it.read_text())["title"]} for it in DASHBOARDS]


@pytest.mark.parametrize("dashboard", [it.stem for it in DASHBOARDS])
def test_prometheus_understands_every_panel(client, viewer, prometheus, monkeypatch, dashboard):
    monkeypatch.setenv("PROMETHEUS_URL", f"{prometheus}/")
    answer = client.get(f"{ADDRESS}/{dashboard}?minutes=15", headers=viewer)
    assert answer.status_code == 200, answer.text
    shipped = next(it for it in DASHBOARDS if it.stem == dashboard)
    assert [it["title"] for it in answer.json()["panels"]] == [it["title"] for it in panels(shipped)]


def test_a_panel_shows_what_prometheus_has(client, viewer, prometheus, monkeypatch):
    monkeypatch.setenv("PROMETHEUS_URL", prometheus)
    shown = {it["title"]: it for it in client.get(f"{ADDRESS}/platform", headers=viewer).json()["panels"]}
    newest = shown["Age of the newest minute"]
    assert (newest["form"], newest["unit"], newest["limits"]) == ("stat", "s", [90, 120])
    ((_, age),) = newest["lines"][0]["points"][-1:]
    assert 99 <= age < 200
    assert shown["Executor"]["lines"] == []


def test_of_many_lines_the_first_are_shown_and_the_others_counted(client, viewer, prometheus, monkeypatch):
    monkeypatch.setenv("PROMETHEUS_URL", prometheus)
    shown = {it["title"]: it for it in client.get(f"{ADDRESS}/detection", headers=viewer).json()["panels"]}
    polled = shown["Symbols polled"]
    assert (len(polled["lines"]), polled["more"]) == (20, 10)
    assert all(line["title"].startswith(HOSTILE) for line in polled["lines"])


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("", "PROMETHEUS_URL is empty"),
        (f"http://{HOST}:1", "no Prometheus answers"),
        ("ftp://x", "must begin with http"),
    ],
)
def test_without_prometheus_it_is_said_why_nothing_is_shown(client, viewer, monkeypatch, url, said):
    monkeypatch.setenv("PROMETHEUS_URL", url)
    answer = client.get(f"{ADDRESS}/platform", headers=viewer)
    assert answer.status_code == 503
    assert said in answer.json()["detail"]


def test_what_prometheus_refuses_is_said(client, viewer, monkeypatch):
    refusing = HttpSink()
    said = {"status": "error", "error": "query processing would load too many samples"}
    refusing.answer = lambda _: Answer(status=422, body=json.dumps(said).encode())
    with serving(refusing):
        monkeypatch.setenv("PROMETHEUS_URL", refusing.url)
        answer = client.get(f"{ADDRESS}/platform", headers=viewer)
    assert answer.status_code == 503
    assert "too many samples" in answer.json()["detail"]


@pytest.mark.parametrize("asked", ["nothing", "platform?minutes=1", "platform?minutes=99999999", "..%2Fdesk"])
def test_what_is_not_there_cannot_be_asked_for(client, viewer, asked):
    assert client.get(f"{ADDRESS}/{asked}", headers=viewer).status_code in (404, 422)


def test_a_line_is_named_by_its_labels():
    assert write_title("{{rule}} {{ timespan }}", {"rule": "price_gap", "timespan": "day"}) == "price_gap day"
    assert write_title("{{gone}}", {}) == ""
    assert write_title("p95", {"rule": "{{x}}"}) == "p95"


def test_a_browser_draws_the_dashboards(visit, prometheus, monkeypatch):
    monkeypatch.setenv("PROMETHEUS_URL", prometheus)
    page = visit("Viewer", "?screen=monitoring", wait=".panel")
    page.get_by_role("link", name="detection").click()
    panel = page.locator(".panel", has_text="Symbols polled")
    panel.locator("canvas").first.wait_for()
    assert "and 10 more" in panel.locator(".legend").inner_text()
    assert HOSTILE in panel.locator(".legend").inner_text()
    page.get_by_label("Last").select_option("360")
    page.wait_for_url("**minutes=360**")
    page.get_by_role("link", name="platform").click()
    page.locator(".stat-value.medium", has_text="s").first.wait_for()

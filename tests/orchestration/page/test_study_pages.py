"""Reports inside Airflow's real API server: a login, a page with its pictures, and no way out of the folder."""

import pandas as pd
import pytest

ROOT = "/surveillance/reports"
RUN = f"{ROOT}/calibrate_rules/manual__2024-03-05"
PNG = b"\x89PNG\r\n\x1a\n not really"
HOSTILE = "<script>alert(1)</script> [here](javascript:alert(1))"


@pytest.fixture
def report(tmp_path, monkeypatch):
    """One report, and a file beside the folder of reports that nobody may read."""
    monkeypatch.setenv("REPORTS_FOLDER", str(tmp_path / "reports"))
    folder = tmp_path / "reports" / "calibrate_rules" / "manual__2024-03-05"
    folder.mkdir(parents=True)
    (folder / "report.md").write_text(f"# Calibration\n\n| rule |\n| --- |\n| {HOSTILE} |\n\n![Curves](curves.png)\n")
    (folder / "curves.png").write_bytes(PNG)
    (folder / "parameters.yaml").write_text("base: {}\n")
    (folder / "secret.env").write_text("classified")
    (tmp_path / "parameters.yaml").write_text("classified")
    return folder


@pytest.mark.parametrize("route", [f"{ROOT}/", f"{RUN}/", f"{RUN}/curves.png"])
def test_every_route_needs_a_login(client, report, route):
    answer = client.get(route)
    assert answer.status_code == 401
    assert b"Calibration" not in answer.content


def test_report_is_a_page_that_loads_from_its_own_host_only(client, viewer, report):
    answer = client.get(f"{RUN}/", headers=viewer)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/html")
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    for part in ("<h1>Calibration</h1>", "<table>", '<img src="curves.png"', '<a href="parameters.yaml">'):
        assert part in answer.text


def test_markup_in_a_report_is_text(client, viewer, report):
    text = client.get(f"{RUN}/", headers=viewer).text
    assert "<script>" not in text
    assert 'href="javascript' not in text


def test_a_report_that_is_a_page_is_shown_as_it_is_and_runs_no_script(client, viewer, report):
    folder = report.parent.parent / "backtest_rules" / "run"
    folder.mkdir(parents=True)
    (folder / "backtest.html").write_text("<!doctype html><h1>Backtest</h1><script>alert(1)</script>")
    answer = client.get(f"{ROOT}/backtest_rules/run/", headers=viewer)
    assert (answer.status_code, answer.text[:15]) == (200, "<!doctype html>")
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'; style-src 'unsafe-inline'; img-src data:" in policy
    assert "script-src" not in policy
    assert 'href="backtest_rules/run/"' in client.get(f"{ROOT}/", headers=viewer).text


def test_pictures_and_files_come_with_it(client, viewer, report):
    picture = client.get(f"{RUN}/curves.png", headers=viewer)
    assert (picture.content, picture.headers["Content-Type"]) == (PNG, "image/png")
    assert client.get(f"{RUN}/parameters.yaml", headers=viewer).text == "base: {}\n"


def test_rows_come_as_csv_too_and_no_cell_is_a_formula(client, viewer, report):
    pd.DataFrame({"symbol": ["AAPL", "=1+1"], "value": [1.5, -2.0]}).to_parquet(report / "only_a.parquet")
    assert '<a href="only_a.csv">' in client.get(f"{RUN}/", headers=viewer).text
    rows = client.get(f"{RUN}/only_a.csv", headers=viewer)
    assert rows.headers["Content-Type"].startswith("text/csv")
    assert rows.text.splitlines() == ["symbol,value", "AAPL,1.5", "'=1+1,-2.0"]


def test_how_it_was_made_is_shown_as_it_was_written(client, viewer, report):
    (report / "made.yaml").write_text(f"started_by: ada\nform: {HOSTILE}\n")
    text = client.get(f"{RUN}/", headers=viewer).text
    assert (
        "<pre>started_by: ada\nform: &lt;script&gt;alert(1)&lt;/script&gt; [here](javascript:alert(1))\n</pre>" in text
    )


@pytest.mark.parametrize(
    "route",
    [
        f"{RUN}/secret.env",
        f"{RUN}/report.md",
        f"{RUN}/..%2F..%2F..%2Fparameters.yaml",
        f"{ROOT}/..%2F/x/parameters.yaml",
        f"{ROOT}/%2e%2e/%2e%2e/parameters.yaml",
        f"{ROOT}/calibrate_rules/%2e%2e%2f%2e%2e/",
        f"{ROOT}/calibrate_rules/nothing/",
        f"{RUN}/other.png",
        f"{RUN}/curves.csv",
    ],
)
def test_nothing_else_is_served(client, viewer, report, route):
    answer = client.get(route, headers=viewer, follow_redirects=False)
    assert answer.status_code in (307, 404, 422)  # the server tidies an address up before it looks
    assert "classified" not in answer.text


def test_all_reports_are_listed(client, viewer, report):
    assert 'href="calibrate_rules/manual__2024-03-05/"' in client.get(f"{ROOT}/", headers=viewer).text


def test_without_reports_the_list_says_so(client, viewer, tmp_path, monkeypatch):
    monkeypatch.setenv("REPORTS_FOLDER", str(tmp_path / "none"))
    assert "There is none yet." in client.get(f"{ROOT}/", headers=viewer).text

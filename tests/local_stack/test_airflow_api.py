"""What the demo asks of Airflow, against a server that answers as Airflow does when something is wrong."""

from __future__ import annotations

import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from include.local_stack.airflow_api import AirflowApi
from include.surveillance.errors import SurveillanceError

IMPORT_ERRORS: list[dict[str, str]] = []
TOO_SLOW = """Traceback (most recent call last):
  File "python_importer.py", line 291, in parse
    loader.exec_module(module)
Timeout: dags/marts.py after 30.0s.
Please take a look at these docs:
* https://airflow.apache.org/docs, PID: 8063
"""


class Server(BaseHTTPRequestHandler):
    """Knows one password; a page that no plugin serves is Airflow's own HTML."""

    def do_POST(self):
        given = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if given["password"] == "right":
            self.answer(201, {"access_token": "token"})
        else:
            self.answer(401, {"detail": "Invalid credentials"})

    def do_GET(self):
        if self.path.startswith("/api/v2/dags?"):
            self.answer(200, {"dags": [{"dag_id": "land_raw"}]})
        elif self.path == "/api/v2/importErrors":
            self.answer(200, {"import_errors": IMPORT_ERRORS})
        elif "/taskInstances" in self.path:
            task = {"task_id": "land", "map_index": 2, "state": "failed", "rendered_map_index": "raw.bars"}
            self.answer(200, {"task_instances": [task], "total_entries": 1})
        elif "/dagRuns/" in self.path:
            self.answer(200, {"dag_run_id": "run", "state": self.path.rpartition("/")[2]})
        else:
            self.answer(200, "<!doctype html>", "text/html; charset=utf-8")

    def answer(self, status, body, kind="application/json"):
        content = body.encode() if isinstance(body, str) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        pass


@pytest.fixture
def address():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_dags_are_listed(address):
    assert AirflowApi(address, "admin", "right").dag_ids() == {"land_raw"}


def test_a_wrong_password_is_told(address):
    with pytest.raises(SurveillanceError, match=r"refused the sign-in of 'admin': .*Invalid credentials"):
        AirflowApi(address, "admin", "wrong")


def test_a_page_without_its_plugin_is_told(address):
    with pytest.raises(SurveillanceError, match="Airflow has no /surveillance/api/v1/alerts: its plugins did not load"):
        AirflowApi(address, "admin", "right").shown_alerts()


def test_dags_are_waited_for_until_one_cannot_come(address, monkeypatch):
    airflow = AirflowApi(address, "admin", "right")
    airflow.wait_for_dags(["land_raw"])
    with pytest.raises(SurveillanceError, match=r"Airflow lacks \['notify_alerts'\] after \d+ s.*; see dag-proc"):
        airflow.wait_for_dags(["land_raw", "notify_alerts"], timeout=0)
    broken = {"filename": "dags/notify.py", "stack_trace": "Traceback\n  line 1\nNameError: x\n"}
    slow = {"filename": "dags/marts.py", "stack_trace": TOO_SLOW}
    monkeypatch.setattr(sys.modules[__name__], "IMPORT_ERRORS", [broken, slow])
    said = r"could not load the DAGs: dags/notify.py: NameError: x; dags/marts.py: Timeout: dags/marts.py after 30.0s.$"
    with pytest.raises(SurveillanceError, match=said):
        airflow.wait_for_dags(["notify_alerts"])


def test_a_run_that_has_succeeded_is_returned(address):
    assert AirflowApi(address, "admin", "right").wait("land_raw", "success", 0)["dag_run_id"] == "run"


@pytest.mark.parametrize(
    ("run_id", "said"),
    [
        ("failed", "land_raw failed in land raw.bars; its log in Airflow says why"),
        ("queued", r"land_raw is still queued after \d+ s.* \(land\[2\]=failed\); see its log"),
    ],
)
def test_a_run_that_does_not_succeed_names_its_tasks(address, run_id, said):
    with pytest.raises(SurveillanceError, match=said):
        AirflowApi(address, "admin", "right").wait("land_raw", run_id, 0)

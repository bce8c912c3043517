"""What the demo asks of Airflow, against a server that answers as Airflow does when something is wrong."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from include.local_stack.airflow_api import AirflowApi
from include.surveillance.errors import SurveillanceError


class Server(BaseHTTPRequestHandler):
    """Knows one password; a page that no plugin serves is Airflow's own HTML."""

    def do_POST(self):
        given = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if given["password"] == "right":
            self.answer(201, {"access_token": "token"})
        else:
            self.answer(401, {"detail": "Invalid credentials"})

    def do_GET(self):
        if self.path.startswith("/api/v2/dags"):
            self.answer(200, {"dags": [{"dag_id": "land_raw"}]})
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
    with pytest.raises(SurveillanceError, match="Airflow has no /surveillance/api/alerts: its plugins did not load"):
        AirflowApi(address, "admin", "right").shown_alerts()

"""Airflow's own API server with our plugins in it, as `airflow api-server` runs it."""

import pytest


@pytest.fixture(scope="session")
def client(airflow_database):
    from airflow.api_fastapi.app import create_app
    from fastapi.testclient import TestClient

    with TestClient(create_app(apps="all")) as client:
        yield client


@pytest.fixture(scope="session")
def viewer(client):
    """The headers of somebody who may look."""
    token = client.post("/auth/token", json={"username": "viewer", "password": "viewer"}).json()["access_token"]
    return {"Authorization": f"Bearer {token}"}

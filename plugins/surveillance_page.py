"""Adds the desk to Airflow's navigation, and the platform's pulse to its home."""

from typing import Any

from airflow.plugins_manager import AirflowPlugin


class SurveillancePage(AirflowPlugin):
    name = "surveillance_page"
    # Airflow finds a script's component by the name of its app.
    react_apps = [  # noqa: RUF012 - Airflow's own class wants a list
        {
            "name": "Surveillance",
            "bundle_url": "/surveillance/web/desk.js",
            "destination": "nav",
            "url_route": "surveillance",
            "nav_top_level": True,
        },
        {
            "name": "Pulse",
            "bundle_url": "/surveillance/web/dashboard.js",
            "destination": "dashboard",
            "url_route": "pulse",
        },
    ]

    # Every task process imports the plugins, but only the API server asks for the page.
    @property
    def fastapi_apps(self) -> list[Any]:  # type: ignore[override]
        from include.orchestration.page.app import app
        from include.orchestration.page.slack import app as slack

        return [
            {"app": app, "url_prefix": "/surveillance", "name": "Market surveillance"},
            {"app": slack, "url_prefix": "/slack", "name": "Acts in Slack"},
        ]

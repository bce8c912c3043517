"""Adds the page "Market surveillance" to Airflow's navigation."""

from typing import Any

from airflow.plugins_manager import AirflowPlugin


class SurveillancePage(AirflowPlugin):
    name = "surveillance_page"
    external_views = [  # noqa: RUF012 - Airflow's own class wants a list
        {
            "name": "Market surveillance",
            "href": "/surveillance/",
            "destination": "nav",
            "url_route": "market_surveillance",
            "nav_top_level": True,
        },
    ]

    # Every task process imports the plugins, but only the API server asks for the page.
    @property
    def fastapi_apps(self) -> list[Any]:  # type: ignore[override]
        from include.orchestration.page.app import app

        return [{"app": app, "url_prefix": "/surveillance", "name": "Market surveillance"}]

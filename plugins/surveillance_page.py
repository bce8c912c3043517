"""Adds the page "Market surveillance" to Airflow's navigation."""

from airflow.plugins_manager import AirflowPlugin


class SurveillancePage(AirflowPlugin):
    name = "surveillance_page"
    external_views = (
        {
            "name": "Market surveillance",
            "href": "/surveillance/",
            "destination": "nav",
            "url_route": "market_surveillance",
            "nav_top_level": True,
        },
    )

    @property
    def fastapi_apps(self):
        # A property, because every task process imports the plugins but only the API server asks for the page.
        from include.orchestration.page.app import app

        return [{"app": app, "url_prefix": "/surveillance", "name": "Market surveillance"}]

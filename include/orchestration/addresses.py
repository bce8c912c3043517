"""Where people find what is told of: addresses below AIRFLOW__API__BASE_URL, which PUBLIC_URL sets."""

from __future__ import annotations

from urllib.parse import urlencode

PAGE = "/surveillance/"
# Airflow's own page around the desk: whoever is signed out is led to the sign-in and back.
DESK = "plugin/surveillance"


def page_address(path: str = "") -> str:
    """Return the address of page Market surveillance, or of a path below it."""
    return airflow_address(f"{PAGE[1:]}{path}")


def desk_address(**query: str) -> str:
    """Return the address of the desk in Airflow, of its queue or of the screen that a query asks for."""
    return airflow_address(f"{DESK}?{urlencode(query)}" if query else DESK)


def airflow_address(path: str) -> str:
    """Return the address of one of Airflow's pages."""
    from airflow.sdk.configuration import conf

    return f"{conf.get('api', 'base_url', fallback='').rstrip('/')}/{path}"

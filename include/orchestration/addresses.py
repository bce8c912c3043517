"""Where people find what is told of: addresses below AIRFLOW__API__BASE_URL, which PUBLIC_URL sets."""

from __future__ import annotations

PAGE = "/surveillance/"


def page_address(path: str = "") -> str:
    """Return the address of page Market surveillance, or of a path below it."""
    from airflow.sdk.configuration import conf

    return f"{conf.get('api', 'base_url', fallback='').rstrip('/')}{PAGE}{path}"

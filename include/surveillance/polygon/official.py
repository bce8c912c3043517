"""Loads the vendor's official client, which exists under the vendor's old name and under its new one."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Literal, TypeAlias

from include.surveillance.errors import ConfigurationError

if TYPE_CHECKING:
    from polygon import RESTClient

    OfficialClient: TypeAlias = RESTClient

# Polygon calls itself Massive now; its keys, addresses and answers are the same.
HOSTS = ("api.polygon.io", "api.massive.com")
Package = Literal["polygon", "massive"]
INSTALLED_AS: dict[Package, str] = {"polygon": "polygon-api-client", "massive": "massive"}


def new_official_client(package: Package, api_key: str, base_url: str) -> OfficialClient:
    """Make a client of one of the vendor's packages.

    Raises:
        ConfigurationError: the package is not installed.
    """
    try:
        client: type[OfficialClient] = import_module(package).RESTClient
    except ImportError as error:
        raise ConfigurationError(
            f"POLYGON_CLIENT={package} needs the package {INSTALLED_AS[package]}, which cannot be loaded ({error}): "
            f"add it to requirements.txt and install it, or leave POLYGON_CLIENT out"
        ) from error
    return client(api_key, base=base_url)

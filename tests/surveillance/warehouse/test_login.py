"""The SNOWFLAKE_* variables become the connector's arguments."""

from __future__ import annotations

import pytest

from include.surveillance.errors import ConfigurationError
from include.surveillance.warehouse.login import read_login

GIVEN = {"SNOWFLAKE_ACCOUNT": "xy12345", "SNOWFLAKE_USER": "me", "SNOWFLAKE_DATABASE": "MARKET"}


def test_what_is_not_set_is_left_to_the_connector():
    said = {"SNOWFLAKE_ROLE": "", "SNOWFLAKE_PORT": "443", "SNOWFLAKE_PASSWORD": "p", "SNOWFLAKE_PRIVATE_KEY_PATH": ""}
    assert read_login(GIVEN | said) == {
        "account": "xy12345", "user": "me", "database": "MARKET", "port": "443", "password": "p"
    }  # fmt: skip


def test_with_a_private_key_the_password_is_its_passphrase():
    login = read_login(GIVEN | {"SNOWFLAKE_PRIVATE_KEY_PATH": "/key.pem", "SNOWFLAKE_PASSWORD": "p"})
    assert (login["private_key_file"], login["private_key_file_pwd"], "password" in login) == ("/key.pem", "p", False)


def test_what_is_missing_is_named():
    with pytest.raises(ConfigurationError, match=r"SNOWFLAKE_ACCOUNT, SNOWFLAKE_USER is not set; load .*\.env"):
        read_login({"SNOWFLAKE_DATABASE": "MARKET"})

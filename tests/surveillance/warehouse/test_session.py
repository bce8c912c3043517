"""What a session must have."""

from __future__ import annotations

from contextlib import closing

import pytest

from include.surveillance.errors import ConfigurationError
from include.surveillance.warehouse.session import NEEDED, check_parameters, check_session
from tests.embedded_warehouse.launcher import Launcher


def test_a_session_says_what_it_works_with(tmp_path, monkeypatch):
    launcher = Launcher(tmp_path).start()
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(launcher.bundle))
    try:
        with closing(launcher.connect(database="ELSEWHERE")) as connection:
            found = check_session(connection)
    finally:
        launcher.stop()
    assert found.keys() == {"warehouse", "database", "role"}
    assert found["database"] == "ELSEWHERE"


def test_parameters_as_nobody_changed_them_are_right():
    check_parameters([*NEEDED.items(), ("TIMEZONE", "America/New_York"), ("DATE_INPUT_FORMAT", "auto")])


@pytest.mark.parametrize("name", NEEDED)
def test_a_parameter_that_changes_what_statements_mean_is_named_with_its_cure(name):
    with pytest.raises(ConfigurationError, match=rf"{name} is DD/MM.*alter user <user> set {name} = {NEEDED[name]}"):
        check_parameters([*NEEDED.items(), (name, "DD/MM")])

"""Components' logs say why, and nothing that helps nobody."""

import logging
import warnings
from types import SimpleNamespace

import httpx
import pytest
from airflow.sdk.api import client
from celery.platforms import ROOT_DISCOURAGED, SecurityWarning

from include.orchestration.runtime import component_log


@pytest.fixture
def prepared(monkeypatch):
    monkeypatch.setattr(client, "_log_retry_warning", client._log_retry_warning)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        component_log.prepare_worker()
        yield


@pytest.mark.usefixtures("prepared")
def test_a_repeated_call_says_which_and_why(monkeypatch, caplog):
    """When this fails: read how Airflow's client logs a retry."""
    monkeypatch.setattr(client.Client.request.retry, "sleep", lambda _: None)
    monkeypatch.setattr(client.Client.request.retry, "stop", lambda state: state.attempt_number > 1)

    def refuse(request):
        raise httpx.ConnectError("nobody listens", request=request)

    asking = client.Client(base_url="http://execution.invalid", token="", transport=httpx.MockTransport(refuse))
    with caplog.at_level(logging.WARNING), pytest.raises(httpx.ConnectError):
        asking.get("connections/x")
    (said,) = [record.getMessage() for record in caplog.records if "execution API" in record.getMessage()]
    assert said.startswith("execution API: GET /connections/x failed (try 1), again in ")
    assert said.endswith("ConnectError: nobody listens")
    assert "nth time" not in caplog.text
    assert "this is the" not in caplog.text


@pytest.mark.usefixtures("prepared")
def test_root_is_not_told_who_it_is():
    warnings.warn(SecurityWarning(ROOT_DISCOURAGED.format(uid=0, euid=0, gid=0, egid=0)), stacklevel=1)


def test_a_result_that_is_no_error_is_said_too(caplog):
    component_log.log_repetition(SimpleNamespace(outcome=None, attempt_number=2, upcoming_sleep=1.0))
    assert "a call failed (try 2)" in caplog.text


def test_airflow_takes_the_configuration(monkeypatch):
    from airflow import logging_config

    path = "include.orchestration.runtime.component_log.LOGGING_CONFIG"
    monkeypatch.setenv("AIRFLOW__LOGGING__LOGGING_CONFIG_CLASS", path)
    assert logging_config._get_logging_config() is component_log.LOGGING_CONFIG

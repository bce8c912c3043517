"""Retries tell what may help from what cannot."""

from datetime import timedelta

import pytest
from airflow.sdk import RetryAction

from include.orchestration.dag_defaults import RetryWhatMayHelp
from include.surveillance.errors import (
    BrokerError,
    ConfigurationError,
    RateLimitedError,
    VendorError,
    VendorUnavailableError,
)


@pytest.mark.parametrize("error", [VendorError("401: unknown API key"), ConfigurationError("no key")])
def test_what_retrying_cannot_mend_fails_at_once(error):
    decision = RetryWhatMayHelp().evaluate(error, 1, 3)
    assert decision.action is RetryAction.FAIL
    assert str(error) in decision.reason


def test_rate_limit_is_retried_when_the_vendor_says():
    decision = RetryWhatMayHelp().evaluate(RateLimitedError("429", retry_after=42), 1, 3)
    assert (decision.action, decision.retry_delay) == (RetryAction.RETRY, timedelta(seconds=42))


@pytest.mark.parametrize(
    "error", [RateLimitedError("429"), VendorUnavailableError("502"), BrokerError("gone"), ValueError("a bug")]
)
def test_the_rest_is_retried_as_usual(error):
    assert RetryWhatMayHelp().evaluate(error, 1, 3).action is RetryAction.DEFAULT

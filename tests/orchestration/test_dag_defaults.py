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


@pytest.mark.parametrize("error", [RateLimitedError, VendorUnavailableError])
@pytest.mark.parametrize(("hint", "delay"), [(42, 42), (0.4, 0.4), (3600, 300)])
def test_a_busy_vendor_is_asked_again_when_it_says_and_within_five_minutes(error, hint, delay):
    decision = RetryWhatMayHelp().evaluate(error("429", retry_after=hint), 1, 3)
    assert (decision.action, decision.retry_delay) == (RetryAction.RETRY, timedelta(seconds=delay))


@pytest.mark.parametrize(
    "error", [RateLimitedError("429"), VendorUnavailableError("502"), BrokerError("gone"), ValueError("a bug")]
)
def test_the_rest_is_retried_as_usual(error):
    assert RetryWhatMayHelp().evaluate(error, 1, 3).action is RetryAction.DEFAULT

"""The task that serves features, in the feature store's virtualenv."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.providers.standard.operators.python import ExternalPythonOperator

from include.feature_store import REDIS
from include.orchestration import connections
from include.surveillance.errors import ConfigurationError
from include.surveillance.settings import Settings

if TYPE_CHECKING:
    from airflow.sdk import Context


def serve_known() -> str:
    """Bring what is known of each symbol into the online store; return up to when. Runs where there is no Airflow."""
    import os

    from include.feature_store import store as feature_store

    with feature_store.open_store(os.environ) as store:
        return feature_store.serve(store)


class ServeFeaturesOperator(ExternalPythonOperator):
    """Runs ``serve_known``; the connections reach it as variables, which no other process sees."""

    template_fields = ()

    def __init__(self, **options: Any):
        python = str(Settings.from_env().features_python)
        super().__init__(python=python, python_callable=serve_known, expect_airflow=False, **options)

    def execute(self, context: Context) -> Any:
        """Run it.

        Raises:
            ConfigurationError: the virtualenv is not there, or a connection is not defined.
        """
        if not Settings.from_env().features_python.is_file():
            raise ConfigurationError(
                f"{self.python} does not exist: start the local stack with FEATURES=1, which makes it, or name the "
                "Python of the feature store's virtualenv in FEATURES_PYTHON"
            )
        self.env_vars = {**connections.warehouse_variables(), REDIS: connections.feature_store()}
        return super().execute(context)

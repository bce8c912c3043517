"""Notes who signs in and who changes users and roles, beside what Airflow notes by itself."""

from typing import Any

from airflow.plugins_manager import AirflowPlugin


class AccountActs(AirflowPlugin):
    name = "account_acts"

    # Every task process imports the plugins, but only the API server passes requests on.
    @property
    def fastapi_root_middlewares(self) -> list[Any]:  # type: ignore[override]
        from include.orchestration.accounts.acts import NoteAccountActs

        return [{"name": "account acts", "middleware": NoteAccountActs}]

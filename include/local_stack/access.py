"""Which secrets each component may have, here and in docker-compose.yml alike."""

from __future__ import annotations

# Secret -> the variables that carry it.
CARRIERS = {
    "FERNET_KEY": {"AIRFLOW__CORE__FERNET_KEY"},
    # May hold a directory's password.
    "LOGIN_SETTINGS": {"LOGIN_SETTINGS"},
    "JWT_SECRET": {"AIRFLOW__API_AUTH__JWT_SECRET"},
    "API_SECRET_KEY": {"AIRFLOW__API__SECRET_KEY"},
    "AIRFLOW_ADMIN_PASSWORD": {"AIRFLOW_ADMIN_PASSWORD"},
    "AIRFLOW_DB_PASSWORD": {"AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"},
    "MAINTENANCE_DB_PASSWORD": {"AIRFLOW_CONN_AIRFLOW_DB"},
    "REDIS_PASSWORD": {
        "AIRFLOW__CELERY__BROKER_URL",
        "AIRFLOW__CELERY__RESULT_BACKEND",
        "AIRFLOW_CONN_RATE_LIMIT",
        "AIRFLOW_CONN_FEATURE_STORE",
    },
    "SURVEILLANCE_DB_PASSWORD": {"AIRFLOW_CONN_SURVEILLANCE_DB"},
    "SURVEILLANCE_READER_PASSWORD": {"AIRFLOW_CONN_SURVEILLANCE_READER"},
    "SURVEILLANCE_DESK_PASSWORD": {"AIRFLOW_CONN_SURVEILLANCE_DESK"},
    "KAFKA_PASSWORD": {"AIRFLOW_CONN_KAFKA_DEFAULT"},
    "POLYGON_API_KEY": {"AIRFLOW_CONN_POLYGON_DEFAULT", "POLYGON_API_KEY"},
    "SNOWFLAKE_PASSWORD": {"AIRFLOW_CONN_SNOWFLAKE_DEFAULT", "SNOWFLAKE_PASSWORD"},
    "CHANNELS": {"AIRFLOW_CONN_SLACK_ALERTS", "AIRFLOW_CONN_WEBHOOK_ALERTS", "AIRFLOW_CONN_EMAIL_ALERTS"},
    # Whoever has one of them can send people messages of the watchdog's, or keep up its pings.
    "WATCHDOG": {
        "DEADMAN_URL",
        "WATCHDOG_MAIL_SERVER",
        "WATCHDOG_SLACK_URL",
        "WATCHDOG_WEBHOOK_SECRET",
        "WATCHDOG_WEBHOOK_URL",
    },
    # The address may hold a token.
    "MONITORING": {"MONITORING_WEBHOOK_URL"},
    "SIMULATOR_API_KEY": {"SIMULATOR_API_KEY"},
    "WAREHOUSE_PASSWORD": {"WAREHOUSE_PASSWORD"},
}

# Only who opens Airflow's metadata has its password, and with it the key of what is encrypted in there.
_METADATA = {"AIRFLOW_DB_PASSWORD", "FERNET_KEY"}
_TASKS = {"REDIS_PASSWORD", "SURVEILLANCE_DB_PASSWORD", "KAFKA_PASSWORD", "CHANNELS"}

# Component -> the secrets that it may have; one that is not named has none.
SECRETS: dict[str, set[str]] = {
    # Makes the databases' tables, Kafka's topics and the first login.
    "airflow-init": {
        *_METADATA,
        "AIRFLOW_ADMIN_PASSWORD",
        "LOGIN_SETTINGS",
        "SURVEILLANCE_DB_PASSWORD",
        "KAFKA_PASSWORD",
        "SNOWFLAKE_PASSWORD",
    },
    # Airflow's commands, typed by whoever runs the containers.
    "airflow-cli": _METADATA,
    # Signs the tokens of people; the page shows alerts and what was around them in the log, and writes what people do.
    "api-server": {
        *_METADATA,
        "JWT_SECRET",
        "API_SECRET_KEY",
        "KAFKA_PASSWORD",
        "SURVEILLANCE_READER_PASSWORD",
        "SURVEILLANCE_DESK_PASSWORD",
        "LOGIN_SETTINGS",
    },
    # Checks the tokens of tasks.
    "execution-api": {*_METADATA, "JWT_SECRET"},
    # Signs the tokens of tasks and queues them.
    "scheduler": {*_METADATA, "JWT_SECRET", "REDIS_PASSWORD"},
    # Calls back when a run has failed: operators are told by way of the application's database.
    "dag-processor": {*_METADATA, "CHANNELS", "SURVEILLANCE_DB_PASSWORD"},
    # As above when a run is late; waits for new messages.
    "triggerer": {*_METADATA, "CHANNELS", "SURVEILLANCE_DB_PASSWORD", "KAFKA_PASSWORD"},
    # Nodes of dbt report here, and one that is cleared runs here.
    "worker-poll": {*_TASKS, "POLYGON_API_KEY", "SNOWFLAKE_PASSWORD"},
    "worker-detect": _TASKS,
    # maintain_platform prunes Airflow's metadata.
    "worker-batch": {*_TASKS, "POLYGON_API_KEY", "SNOWFLAKE_PASSWORD", "MAINTENANCE_DB_PASSWORD"},
    # Asks what it watches for signs of life.
    "watchdog": {"REDIS_PASSWORD", "SURVEILLANCE_READER_PASSWORD", "KAFKA_PASSWORD", "WATCHDOG"},
    # Counts in Kafka's log and in the application's database.
    "exporter": {"SURVEILLANCE_READER_PASSWORD", "KAFKA_PASSWORD"},
    "alertmanager": {"MONITORING"},
    "warehouse": {"WAREHOUSE_PASSWORD"},
    "simulator": {"SIMULATOR_API_KEY"},
}


def withheld(component: str) -> list[str]:
    """List the variables that a component must not have; ``worker-detect-2`` is one more ``worker-detect``."""
    secrets = SECRETS.get(component.rstrip("-0123456789"), set())
    granted: set[str] = set().union(*(CARRIERS[secret] for secret in secrets))
    return sorted(set().union(*CARRIERS.values()) - granted)

"""The feature store: Feast over the marts' features, offline in Snowflake, online in Redis.

It runs in a virtualenv of its own (``requirements.lock`` here), for Feast's pins and Airflow's exclude each other. dbt
makes the features; this registers and serves them.
"""

REDIS = "FEATURE_STORE_REDIS"
"""The variable with the address of the Redis of which features are served."""

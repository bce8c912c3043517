"""Watches the platform from outside: no Airflow, and nothing that it watches is needed to say that it is gone."""

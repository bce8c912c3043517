"""Forms are Airflow's: its home is a throw-away one."""

from tests.airflow_home import airflow_database as airflow_database

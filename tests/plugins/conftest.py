from tests.airflow_home import airflow_database as airflow_database

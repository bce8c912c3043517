"""Who may sign in to Airflow and what each role may do there."""

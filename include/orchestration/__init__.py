"""Where the domain meets Airflow: connections, sensors, triggers, callbacks, timetables, assets and the page."""

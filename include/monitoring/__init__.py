"""The exporter: measures the platform from outside and shows Prometheus what it sees, and what Airflow tells it.

What is in the log and in the application's database is counted there and not where it is made: a stage that stands
still says nothing, and its counters would look like a quiet market. Needs none of those that it measures.
"""

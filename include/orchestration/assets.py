"""What one stage hands over to the next, by name. The data itself is in Kafka or the warehouse."""

from airflow.sdk import Asset

BARS = Asset("market_bars")
NEWS = Asset("market_news")
REFERENCE = Asset("market_reference")
ALERTS = Asset("market_alerts")
RAW_TABLES = Asset("raw_tables")
MARTS = Asset("marts")

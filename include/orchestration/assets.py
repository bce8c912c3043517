"""What one stage hands over to the next, by name. The data itself is in Kafka or the warehouse."""

from airflow.sdk import Asset

NEWS = Asset("market_news")
REFERENCE = Asset("market_reference")
RAW_TABLES = Asset("raw_tables")
MARTS = Asset("marts")

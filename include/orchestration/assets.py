"""What one stage hands over to the next, by name. The data itself is in Kafka or the warehouse."""

from airflow.sdk import Asset, AssetAlias

NEWS = Asset("market_news")
REFERENCE = Asset("market_reference")
PAST_BARS = Asset("past_bars")
RAW_TABLES = Asset("raw_tables")
# What has landed in one span, as much as one run of the marts models.
LANDINGS = Asset("landings")
MARTS = Asset("marts")
# Handed over only when its words have changed.
WATCHLIST, WATCHLIST_CHANGES = Asset("watchlist"), AssetAlias("watchlist_changes")

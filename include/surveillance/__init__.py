"""The surveillance domain, free of Airflow.

The path of a bar, one word per stage and one module per word:

poll       ``polygon``     vendor pages -> raw payloads
normalise  ``normalise``   raw payloads -> Bar, NewsItem, Instrument, or Reject with a reason
publish    ``broker``      records -> Kafka topics, keyed by symbol
consume    ``broker``      one partition, from the committed offset to its end
detect     ``detection``   bars and news + state -> metrics, firings, new state (pure)
alert      ``alerts``      firings -> explained alerts, one per episode
measure    ``detection``   rolling metrics per symbol and bar
land       ``warehouse``   topics -> Snowflake RAW tables, rows and offsets in one transaction
"""

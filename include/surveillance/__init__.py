"""The surveillance domain, free of Airflow.

The path of a bar, one word per stage and the package that does it:

poll       ``polygon``     vendor pages -> raw payloads
normalise  ``normalise``   raw payloads -> Bar, NewsItem, Instrument, or Reject with a reason
publish    ``broker``      records -> Kafka topics, keyed by symbol
consume    ``live``        one partition, from the committed offset to its end, as one transaction per batch
detect     ``detection``   bars and news + state -> metrics, alerts with explanations, new state (pure)
notify     ``alerts``      alerts -> events of the market, groups, and what people are notified of
land       ``warehouse``   topics -> Snowflake RAW tables, rows and offsets in one transaction

The same detection runs over recorded bars: ``files`` reads and writes them, ``studies`` replays and compares.
"""

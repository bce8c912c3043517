select
    event_id,
    to_json(payload) as payload,
    to_json(headers) as headers,
    kafka_topic,
    kafka_partition,
    kafka_offset,
    kafka_timestamp,
    landed_at
from raw.{table}

select
    landed_at,
    kafka_topic,
    kafka_partition,
    kafka_offset,
    kafka_timestamp,
    event_id,
    to_json(payload) as document
from raw.{table}
where
    (%(event_id)s is null or event_id = %(event_id)s)
    and (%(symbols)s is null or contains(coalesce(%(symbols)s, ''), '"' || payload:symbol::varchar || '"'))
    and (%(until)s is null or kafka_timestamp <= %(until)s::timestamp_ntz)

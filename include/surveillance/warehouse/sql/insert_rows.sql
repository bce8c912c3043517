-- Only ever more: a topic is kept message by message. Without a look at what is there it costs as much as the batch.
-- 'd': an object that names a key twice is no reason to refuse the batch; the last one counts.
insert into raw.{table}
(event_id, payload, headers, kafka_topic, kafka_partition, kafka_offset, kafka_timestamp, landed_at)
select
    event_id,
    parse_json(payload, 'd') as payload,
    parse_json(headers) as headers,
    kafka_topic,
    kafka_partition,
    kafka_offset,
    kafka_timestamp,
    landed_at
from raw.incoming
where target = %(table)s

-- Later is what is stored behind in one log, or after a topic was made anew at a later time.
-- 'd': an object that names a key twice is no reason to refuse the batch; the last one counts.
merge into raw.{table} as landed
using (
    select
        event_id,
        payload,
        headers,
        kafka_topic,
        kafka_partition,
        kafka_offset,
        kafka_timestamp,
        landed_at
    from raw.incoming
    where target = %(table)s
) as incoming
    on landed.event_id = incoming.event_id
when matched and (incoming.kafka_offset > landed.kafka_offset or incoming.kafka_timestamp > landed.kafka_timestamp) then
    update set
        payload = parse_json(incoming.payload, 'd'),
        headers = parse_json(incoming.headers),
        kafka_topic = incoming.kafka_topic,
        kafka_partition = incoming.kafka_partition,
        kafka_offset = incoming.kafka_offset,
        kafka_timestamp = incoming.kafka_timestamp,
        landed_at = incoming.landed_at
when not matched then insert
    (event_id, payload, headers, kafka_topic, kafka_partition, kafka_offset, kafka_timestamp, landed_at)
values (
    incoming.event_id,
    parse_json(incoming.payload, 'd'),
    parse_json(incoming.headers),
    incoming.kafka_topic,
    incoming.kafka_partition,
    incoming.kafka_offset,
    incoming.kafka_timestamp,
    incoming.landed_at
)

-- Made anew for each batch: emptying it would cost more than filling it.
-- payload stays text until the MERGE: a JSON string loaded straight into a VARIANT would stay a string there.
create or replace temporary table raw.incoming (
    target varchar,
    event_id varchar,
    payload varchar,
    headers varchar,
    kafka_topic varchar,
    kafka_partition int,
    kafka_offset int,
    kafka_timestamp timestamp_ntz,
    landed_at timestamp_ntz
)

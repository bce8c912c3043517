create table if not exists raw.kafka_offsets (
    topic varchar,
    partition_id int,
    next_offset int,
    updated_at timestamp_ntz
)

-- No primary key: Snowflake would not enforce it; event_id is kept unique by merge_rows.sql.
create table if not exists raw.{table} (
    event_id varchar,
    payload variant,
    headers variant,
    kafka_topic varchar,
    kafka_partition int,
    kafka_offset int,
    kafka_timestamp timestamp_ntz,
    landed_at timestamp_ntz
)

-- No primary keys: Snowflake would not enforce them; event_id is kept unique by merge_rows.sql.
create stage if not exists raw.landing;

create table if not exists raw.kafka_offsets (
    topic varchar,
    partition_id number,
    next_offset number,
    updated_at timestamp_ntz
);

create table if not exists raw.raw_bars (
    event_id varchar,
    payload variant,
    headers variant,
    kafka_topic varchar,
    kafka_partition number,
    kafka_offset number,
    kafka_timestamp timestamp_ntz,
    landed_at timestamp_ntz
);

create table if not exists raw.raw_news (
    event_id varchar,
    payload variant,
    headers variant,
    kafka_topic varchar,
    kafka_partition number,
    kafka_offset number,
    kafka_timestamp timestamp_ntz,
    landed_at timestamp_ntz
);

create table if not exists raw.raw_alerts (
    event_id varchar,
    payload variant,
    headers variant,
    kafka_topic varchar,
    kafka_partition number,
    kafka_offset number,
    kafka_timestamp timestamp_ntz,
    landed_at timestamp_ntz
);

create table if not exists raw.raw_metrics (
    event_id varchar,
    payload variant,
    headers variant,
    kafka_topic varchar,
    kafka_partition number,
    kafka_offset number,
    kafka_timestamp timestamp_ntz,
    landed_at timestamp_ntz
);

create table if not exists raw.raw_instruments (
    event_id varchar,
    payload variant,
    headers variant,
    kafka_topic varchar,
    kafka_partition number,
    kafka_offset number,
    kafka_timestamp timestamp_ntz,
    landed_at timestamp_ntz
);

create table if not exists raw.raw_rejected (
    event_id varchar,
    payload variant,
    headers variant,
    kafka_topic varchar,
    kafka_partition number,
    kafka_offset number,
    kafka_timestamp timestamp_ntz,
    landed_at timestamp_ntz
);

-- Each topic has its own table of offsets: landing updates it first, and Snowflake locks whole tables, so that a
-- session killed within its transaction, whose locks stay for minutes, holds up its own topic only. All tables are
-- permanent: what they hold can be brought back by Time Travel and Fail-safe.
create table if not exists raw.raw_watermarks (
    event_id varchar,
    payload variant,
    headers variant,
    kafka_topic varchar,
    kafka_partition number,
    kafka_offset number,
    kafka_timestamp timestamp_ntz,
    landed_at timestamp_ntz
);

create table if not exists raw.raw_corporate_actions (
    event_id varchar,
    payload variant,
    headers variant,
    kafka_topic varchar,
    kafka_partition number,
    kafka_offset number,
    kafka_timestamp timestamp_ntz,
    landed_at timestamp_ntz
);

create table if not exists raw.raw_scheduled_events (
    event_id varchar,
    payload variant,
    headers variant,
    kafka_topic varchar,
    kafka_partition number,
    kafka_offset number,
    kafka_timestamp timestamp_ntz,
    landed_at timestamp_ntz
);

create table if not exists raw.raw_profiles (
    event_id varchar,
    payload variant,
    headers variant,
    kafka_topic varchar,
    kafka_partition number,
    kafka_offset number,
    kafka_timestamp timestamp_ntz,
    landed_at timestamp_ntz
);

create table if not exists raw.raw_parameters (
    event_id varchar,
    payload variant,
    headers variant,
    kafka_topic varchar,
    kafka_partition number,
    kafka_offset number,
    kafka_timestamp timestamp_ntz,
    landed_at timestamp_ntz
);

create table if not exists raw.raw_dispositions (
    event_id varchar,
    payload variant,
    headers variant,
    kafka_topic varchar,
    kafka_partition number,
    kafka_offset number,
    kafka_timestamp timestamp_ntz,
    landed_at timestamp_ntz
);

create table if not exists raw.raw_audit (
    event_id varchar,
    payload variant,
    headers variant,
    kafka_topic varchar,
    kafka_partition number,
    kafka_offset number,
    kafka_timestamp timestamp_ntz,
    landed_at timestamp_ntz
);

create table if not exists raw.kafka_offsets_bars (
    topic varchar,
    partition_id number,
    next_offset number,
    topic_id varchar,
    leader_epoch number,
    updated_at timestamp_ntz
);

create table if not exists raw.kafka_offsets_news (
    topic varchar,
    partition_id number,
    next_offset number,
    topic_id varchar,
    leader_epoch number,
    updated_at timestamp_ntz
);

create table if not exists raw.kafka_offsets_reference (
    topic varchar,
    partition_id number,
    next_offset number,
    topic_id varchar,
    leader_epoch number,
    updated_at timestamp_ntz
);

create table if not exists raw.kafka_offsets_rejected (
    topic varchar,
    partition_id number,
    next_offset number,
    topic_id varchar,
    leader_epoch number,
    updated_at timestamp_ntz
);

create table if not exists raw.kafka_offsets_alerts (
    topic varchar,
    partition_id number,
    next_offset number,
    topic_id varchar,
    leader_epoch number,
    updated_at timestamp_ntz
);

create table if not exists raw.kafka_offsets_metrics (
    topic varchar,
    partition_id number,
    next_offset number,
    topic_id varchar,
    leader_epoch number,
    updated_at timestamp_ntz
);

create table if not exists raw.kafka_offsets_baselines (
    topic varchar,
    partition_id number,
    next_offset number,
    topic_id varchar,
    leader_epoch number,
    updated_at timestamp_ntz
);

create table if not exists raw.kafka_offsets_dispositions (
    topic varchar,
    partition_id number,
    next_offset number,
    topic_id varchar,
    leader_epoch number,
    updated_at timestamp_ntz
);

create table if not exists raw.kafka_offsets_audit (
    topic varchar,
    partition_id number,
    next_offset number,
    topic_id varchar,
    leader_epoch number,
    updated_at timestamp_ntz
);

-- Until now all topics had one table. Without it the version before stops landing, and says so; Kafka keeps what it
-- would have landed. It must not go on, not even while its offsets are taken over: what both have landed would be there
-- twice.
alter table if exists raw.kafka_offsets rename to raw.kafka_offsets_before;

-- There already where this migration was interrupted; empty when it is repeated.
create table if not exists raw.kafka_offsets_before (
    topic varchar,
    partition_id number,
    next_offset number,
    topic_id varchar,
    leader_epoch number,
    updated_at timestamp_ntz
);

merge into raw.kafka_offsets_bars as stored
using (
    select
        topic,
        partition_id,
        next_offset,
        topic_id,
        leader_epoch,
        updated_at
    from raw.kafka_offsets_before
    where topic like '%polygon.bars.raw'
) as former
    on stored.topic = former.topic and stored.partition_id = former.partition_id
when not matched then
    insert (topic, partition_id, next_offset, topic_id, leader_epoch, updated_at)
    values (
        former.topic,
        former.partition_id,
        former.next_offset,
        former.topic_id,
        former.leader_epoch,
        former.updated_at
    );

merge into raw.kafka_offsets_news as stored
using (
    select
        topic,
        partition_id,
        next_offset,
        topic_id,
        leader_epoch,
        updated_at
    from raw.kafka_offsets_before
    where topic like '%polygon.news.raw'
) as former
    on stored.topic = former.topic and stored.partition_id = former.partition_id
when not matched then
    insert (topic, partition_id, next_offset, topic_id, leader_epoch, updated_at)
    values (
        former.topic,
        former.partition_id,
        former.next_offset,
        former.topic_id,
        former.leader_epoch,
        former.updated_at
    );

merge into raw.kafka_offsets_reference as stored
using (
    select
        topic,
        partition_id,
        next_offset,
        topic_id,
        leader_epoch,
        updated_at
    from raw.kafka_offsets_before
    where topic like '%polygon.reference.raw'
) as former
    on stored.topic = former.topic and stored.partition_id = former.partition_id
when not matched then
    insert (topic, partition_id, next_offset, topic_id, leader_epoch, updated_at)
    values (
        former.topic,
        former.partition_id,
        former.next_offset,
        former.topic_id,
        former.leader_epoch,
        former.updated_at
    );

merge into raw.kafka_offsets_rejected as stored
using (
    select
        topic,
        partition_id,
        next_offset,
        topic_id,
        leader_epoch,
        updated_at
    from raw.kafka_offsets_before
    where topic like '%polygon.rejected'
) as former
    on stored.topic = former.topic and stored.partition_id = former.partition_id
when not matched then
    insert (topic, partition_id, next_offset, topic_id, leader_epoch, updated_at)
    values (
        former.topic,
        former.partition_id,
        former.next_offset,
        former.topic_id,
        former.leader_epoch,
        former.updated_at
    );

merge into raw.kafka_offsets_alerts as stored
using (
    select
        topic,
        partition_id,
        next_offset,
        topic_id,
        leader_epoch,
        updated_at
    from raw.kafka_offsets_before
    where topic like '%market.alerts'
) as former
    on stored.topic = former.topic and stored.partition_id = former.partition_id
when not matched then
    insert (topic, partition_id, next_offset, topic_id, leader_epoch, updated_at)
    values (
        former.topic,
        former.partition_id,
        former.next_offset,
        former.topic_id,
        former.leader_epoch,
        former.updated_at
    );

merge into raw.kafka_offsets_metrics as stored
using (
    select
        topic,
        partition_id,
        next_offset,
        topic_id,
        leader_epoch,
        updated_at
    from raw.kafka_offsets_before
    where topic like '%market.metrics'
) as former
    on stored.topic = former.topic and stored.partition_id = former.partition_id
when not matched then
    insert (topic, partition_id, next_offset, topic_id, leader_epoch, updated_at)
    values (
        former.topic,
        former.partition_id,
        former.next_offset,
        former.topic_id,
        former.leader_epoch,
        former.updated_at
    );

drop table if exists raw.kafka_offsets_before;

create view if not exists raw.landed_offsets as
select
    topic,
    partition_id,
    next_offset,
    topic_id,
    leader_epoch,
    updated_at
from raw.kafka_offsets_bars
union all
select
    topic,
    partition_id,
    next_offset,
    topic_id,
    leader_epoch,
    updated_at
from raw.kafka_offsets_news
union all
select
    topic,
    partition_id,
    next_offset,
    topic_id,
    leader_epoch,
    updated_at
from raw.kafka_offsets_reference
union all
select
    topic,
    partition_id,
    next_offset,
    topic_id,
    leader_epoch,
    updated_at
from raw.kafka_offsets_rejected
union all
select
    topic,
    partition_id,
    next_offset,
    topic_id,
    leader_epoch,
    updated_at
from raw.kafka_offsets_alerts
union all
select
    topic,
    partition_id,
    next_offset,
    topic_id,
    leader_epoch,
    updated_at
from raw.kafka_offsets_metrics
union all
select
    topic,
    partition_id,
    next_offset,
    topic_id,
    leader_epoch,
    updated_at
from raw.kafka_offsets_baselines
union all
select
    topic,
    partition_id,
    next_offset,
    topic_id,
    leader_epoch,
    updated_at
from raw.kafka_offsets_dispositions
union all
select
    topic,
    partition_id,
    next_offset,
    topic_id,
    leader_epoch,
    updated_at
from raw.kafka_offsets_audit;

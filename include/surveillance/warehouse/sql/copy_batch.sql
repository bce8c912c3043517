copy into raw.incoming
from (
    select
        $1:target::varchar,
        $1:event_id::varchar,
        $1:payload::varchar,
        $1:headers::varchar,
        $1:kafka_topic::varchar,
        $1:kafka_partition::int,
        $1:kafka_offset::int,
        $1:kafka_timestamp::timestamp_ntz,
        $1:landed_at::timestamp_ntz
    from @raw.landing/{name}
)
file_format = (type = parquet)
purge = true

-- Only forwards: a run that was overtaken by another one cannot take its progress back.
merge into raw.kafka_offsets as stored
using (
    select
        key::int as partition_id,
        value::int as next_offset
    from table(flatten(input => parse_json(%(next_offsets)s)))
) as reached
    on stored.topic = %(topic)s and stored.partition_id = reached.partition_id
when matched and reached.next_offset > stored.next_offset then
    update set
        next_offset = reached.next_offset,
        updated_at = %(landed_at)s::timestamp_ntz
when not matched then
    insert (topic, partition_id, next_offset, updated_at)
    values (%(topic)s, reached.partition_id, reached.next_offset, %(landed_at)s::timestamp_ntz)

-- Only forwards: a run that was overtaken by another one cannot take its progress back. Earlier versions have stored no
-- topic_id.
merge into raw.kafka_offsets as stored
using (
    select
        key::int as partition_id,
        value:next_offset::int as next_offset,
        value:topic_id::varchar as topic_id,
        value:leader_epoch::int as leader_epoch
    from table(flatten(input => parse_json(%(reached)s)))
) as reached
    on stored.topic = %(topic)s and stored.partition_id = reached.partition_id
when
matched
and coalesce(stored.topic_id, reached.topic_id) = reached.topic_id
and (reached.next_offset > stored.next_offset or stored.topic_id is null)
then
    update set
        next_offset = reached.next_offset,
        topic_id = reached.topic_id,
        leader_epoch = reached.leader_epoch,
        updated_at = %(landed_at)s::timestamp_ntz
when not matched then
    insert (topic, partition_id, next_offset, topic_id, leader_epoch, updated_at)
    values (
        %(topic)s,
        reached.partition_id,
        reached.next_offset,
        reached.topic_id,
        reached.leader_epoch,
        %(landed_at)s::timestamp_ntz
    )

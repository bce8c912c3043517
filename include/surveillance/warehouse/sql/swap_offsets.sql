-- Compare and swap: from the place that a batch was read from, and from no other. Whoever comes second waits for the
-- lock of this table, then finds another place, and changes fewer rows than it has partitions.
merge into raw.{table} as stored
using (
    select
        key::int as partition_id,
        value:expected::int as expected,
        value:expected_topic::varchar as expected_topic,
        value:next_offset::int as next_offset,
        value:topic_id::varchar as topic_id,
        value:leader_epoch::int as leader_epoch
    from table(flatten(input => parse_json(%(places)s)))
) as swapped
    on stored.topic = %(topic)s and stored.partition_id = swapped.partition_id
when
matched
and coalesce(stored.next_offset, -1) = swapped.expected
and coalesce(stored.topic_id, '') = swapped.expected_topic
then
    update set
        next_offset = swapped.next_offset,
        topic_id = swapped.topic_id,
        leader_epoch = swapped.leader_epoch,
        updated_at = %(landed_at)s::timestamp_ntz

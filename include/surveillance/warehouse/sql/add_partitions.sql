-- A partition without a place has a row, too, so that the first landing, like all others, changes a row that is there:
-- two sessions can insert at the same time, but not update.
merge into raw.{table} as stored
using (
    select key::int as partition_id
    from table(flatten(input => parse_json(%(partitions)s)))
) as seen
    on stored.topic = %(topic)s and stored.partition_id = seen.partition_id
when not matched then
    insert (topic, partition_id) values (%(topic)s, seen.partition_id)

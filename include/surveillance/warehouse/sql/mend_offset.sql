-- Backwards, where the log that the offset was of is gone. Not if another run has stored an offset since.
update raw.kafka_offsets
set
    next_offset = %(next_offset)s::int,
    topic_id = %(topic_id)s,
    leader_epoch = %(leader_epoch)s::int
where topic = %(topic)s and partition_id = %(partition_id)s::int and next_offset = %(stored)s::int

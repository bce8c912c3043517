select
    topic,
    partition_id,
    next_offset,
    topic_id,
    leader_epoch
from raw.kafka_offsets

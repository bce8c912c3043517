select
    topic,
    partition_id,
    next_offset,
    topic_id,
    leader_epoch,
    updated_at
from raw.landed_offsets

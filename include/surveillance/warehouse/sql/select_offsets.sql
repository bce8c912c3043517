select
    topic,
    partition_id,
    next_offset
from raw.kafka_offsets

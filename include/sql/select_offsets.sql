select partition_id, next_offset
from raw.kafka_offsets
where topic = %(topic)s

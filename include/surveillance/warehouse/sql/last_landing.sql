select max(updated_at) from raw.kafka_offsets

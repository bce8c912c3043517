select max(updated_at) from raw.landed_offsets

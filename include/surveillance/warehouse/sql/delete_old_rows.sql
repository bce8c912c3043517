delete from raw.{table}
where landed_at < %(before)s::timestamp_ntz

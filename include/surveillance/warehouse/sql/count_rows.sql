select count(*) from raw.{table}

describe table raw.{table}

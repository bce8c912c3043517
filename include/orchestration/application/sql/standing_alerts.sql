select record::text
from alerts
where
    bar_at between to_timestamp(%(since_ms)s / 1000.0) and to_timestamp(%(until_ms)s / 1000.0)
    and source = %(source)s and kind = 'market' and status <> 'retracted' and record is not null
    and rule <> %(except_rule)s

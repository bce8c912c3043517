-- Of each event its newest message; one that takes it back has no payload. An article has no bar, and is never left
-- out.
select to_json(payload) as document
from raw.{table}
where
    payload:ts_ms is null
    or (
        (%(from_ms)s is null or payload:ts_ms::number >= %(from_ms)s)
        and (%(to_ms)s is null or payload:ts_ms::number < %(to_ms)s)
    )
qualify
    row_number() over (partition by event_id order by kafka_timestamp desc, kafka_offset desc) = 1
    and payload is not null
order by kafka_timestamp asc, kafka_partition asc, kafka_offset asc

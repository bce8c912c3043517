-- A row: a live alert that was published before its bar had closed. Some clock or the bar's time is wrong.
-- Bars stamped in the future are bad data, and reported as such.
select
    alert_id,
    bar_close_at,
    alerted_at,
    close_to_alert_seconds
from {{ ref('fact_alerts') }}
where is_live and alerted_at < bar_close_at and rule <> 'data_quality' and {{ recent(ref('fact_alerts')) }}

{%- set steps = [
    'close_to_poll', 'poll_to_append', 'append_to_detect', 'detect_to_alert', 'close_to_alert', 'alert_to_landed'
] -%}

-- Every first firing, whatever became of the alert. The age of a backfilled bar says nothing about the platform.
with alerts as (

    select * from {{ ref('fact_alerts') }}
    where is_live and alerted_at is not null and session_date is not null

)

select
    session_date,
    rule,
    count(*) as alerts,
{% for step in steps %}
    percentile_cont(0.5) within group (order by {{ step }}_seconds) as {{ step }}_seconds_p50,
    percentile_cont(0.95) within group (order by {{ step }}_seconds) as {{ step }}_seconds_p95{{ ',' if not loop.last }}
{% endfor %}
from alerts
group by session_date, rule

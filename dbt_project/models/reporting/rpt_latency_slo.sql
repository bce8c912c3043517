{%- set steps = [
    'close_to_poll', 'poll_to_append', 'append_to_detect', 'detect_to_alert', 'poll_to_alert', 'close_to_alert',
    'alert_to_landed'
] -%}
{{ config(materialized='view') }}

-- Every first firing, whatever became of the alert. The age of a backfilled bar says nothing about the platform.
with alerts as (

    select
        *,
        date_trunc('hour', alerted_at) as hour_at
    from {{ ref('fact_alerts') }}
    where is_live and alerted_at is not null and session_date is not null

),

taken as (

    {% for step in steps %}
        {{ 'union all' if not loop.first }}
        select
            session_date,
            hour_at,
            '{{ step }}' as step,
            {{ step }}_seconds as seconds
        from alerts
        where {{ step }}_seconds is not null
    {% endfor %}

)

select
    session_date,
    hour_at,
    step,
    count(*) as alerts,
    percentile_cont(0.5) within group (order by seconds) as seconds_p50,
    percentile_cont(0.95) within group (order by seconds) as seconds_p95,
    percentile_cont(0.99) within group (order by seconds) as seconds_p99,
    count_if(seconds <= 5) / count(*)::float as within_5s_share,
    count_if(seconds <= 60) / count(*)::float as within_60s_share
from taken
group by session_date, hour_at, step

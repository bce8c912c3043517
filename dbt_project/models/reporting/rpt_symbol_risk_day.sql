{%- set rules = [
    'abnormal_volume', 'volatility_spike', 'price_breakout', 'price_gap', 'news_impact', 'pump_and_dump'
] -%}
{{ config(materialized='view') }}

-- What somebody does with an alert changes the report at once: it is put together when it is read.
with reviews as (

    select *
    from {{ ref('fact_alert_dispositions') }}
    qualify row_number() over (partition by alert_id order by review_version desc) = 1

),

alerts as (

    select
        alerts.symbol,
        alerts.session_date,
        {% for rule in rules %}
            count_if(alerts.rule = '{{ rule }}') as {{ rule }}_alerts,
        {% endfor %}
        count_if(alerts.kind = 'operations') as operations_alerts,
        max(alerts.rarity_sessions) as highest_rarity_sessions,
        count_if(coalesce(reviews.review_state, 'open') <> 'closed') as open_alerts,
        count_if(reviews.review_state = 'closed' and reviews.disposition = 'true positive') as true_positives
    from {{ ref('fact_alerts') }} as alerts
    left join reviews on alerts.alert_id = reviews.alert_id
    where alerts.status <> 'retracted'
    group by alerts.symbol, alerts.session_date

)

select
    days.symbol,
    days.session_date,
    days.alerts,
    {% for rule in rules %}
        coalesce(alerts.{{ rule }}_alerts, 0) as {{ rule }}_alerts,
    {% endfor %}
    coalesce(alerts.operations_alerts, 0) as operations_alerts,
    coalesce(alerts.open_alerts, 0) as open_alerts,
    coalesce(alerts.true_positives, 0) as true_positives,
    days.highest_score,
    alerts.highest_rarity_sessions,
    days.highest_rvol,
    days.gap,
    days.realised_volatility,
    days.landed_at
from {{ ref('rpt_symbol_day') }} as days
left join alerts on days.symbol = alerts.symbol and days.session_date = alerts.session_date

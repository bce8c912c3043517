{{ config(materialized='view') }}

-- An alert's review stands as its newest act says; one that is not closed has no verdict yet.
with reviews as (

    select *
    from {{ ref('fact_alert_dispositions') }}
    qualify row_number() over (partition by alert_id order by review_version desc) = 1

),

alerts as (

    select
        alerts.rule,
        alerts.form,
        coalesce(alerts.parameters_version, 'unknown') as parameters_version,
        date_trunc('week', alerts.session_date)::date as week,
        alerts.status = 'retracted' as is_retracted,
        coalesce(reviews.review_state = 'closed', false) as is_closed,
        iff(reviews.review_state = 'closed', reviews.disposition, null) as verdict
    from {{ ref('fact_alerts') }} as alerts
    left join reviews on alerts.alert_id = reviews.alert_id
    where alerts.session_date is not null

)

select
    rule,
    form,
    parameters_version,
    week,
    count(*) as alerts,
    count_if(is_retracted) as retracted_alerts,
    count_if(is_closed) as closed_alerts,
    count_if(verdict = 'true positive') as true_positives,
    count_if(verdict = 'false positive') as false_positives,
    count_if(verdict = 'true positive')
    / nullif(count_if(verdict in ('true positive', 'false positive')), 0)::float as precision_share
from alerts
group by rule, form, parameters_version, week

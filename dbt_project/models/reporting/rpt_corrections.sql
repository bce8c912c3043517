{%- set in_order = 'partition by bars.bar_id order by revisions.published_at asc, revisions.kafka_offset asc' -%}
{{
    config(
        materialized='incremental',
        incremental_strategy='delete+insert',
        unique_key='session_date',
        transient=false
    )
}}

{#- One that an earlier version has built counts minute bars only. -#}
{%- set continues = is_incremental() and not lacks_column(this, 'timespan') -%}

-- depends_on: {{ ref('fact_alerts') }}
with bars as (

    select
        session_date,
        symbol,
        timespan,
        bar_start_at,
        bar_id,
        landed_at
    from {{ ref('fact_intraday_metrics') }}
    where
        timespan <> 'day' and session_date is not null
        {% if continues %}
            and session_date in ({{ touched_sessions() }})
        {% endif %}

),

histories as (

    select
        bars.session_date,
        bars.symbol,
        bars.timespan,
        bars.landed_at,
        revisions.close as last_close,
        revisions.volume as last_volume,
        first_value(revisions.close) over ({{ in_order }}) as first_close,
        first_value(revisions.volume) over ({{ in_order }}) as first_volume,
        row_number() over ({{ in_order }}) as times_said
    from bars
    inner join {{ ref('fact_bar_revisions') }} as revisions
        on bars.bar_start_at = revisions.bar_start_at and bars.bar_id = revisions.bar_id
    where revisions.bar_start_at >= (select min(chosen.bar_start_at) from bars as chosen)
    qualify row_number() over (
        partition by bars.bar_id order by revisions.published_at desc, revisions.kafka_offset desc
    ) = 1

),

corrected as (

    select
        session_date,
        symbol,
        timespan,
        count(*) as bars,
        count_if(times_said > 1) as corrected_bars,
        sum(times_said - 1)::int as corrections,
        max(iff(times_said > 1, abs(last_close / nullif(first_close, 0) - 1), null)) as largest_close_change,
        sum(last_volume - first_volume)::number(38, 8) as volume_change,
        max(landed_at) as landed_at
    from histories
    group by session_date, symbol, timespan

),

alerts as (

    select
        session_date,
        symbol,
        timespan,
        count(distinct iff(status = 'confirmed', alert_id, null)) as confirmed_alerts,
        count(distinct iff(status = 'retracted', alert_id, null)) as retracted_alerts
    from {{ ref('fact_alert_events') }}
    where
        status in ('confirmed', 'retracted')
        and session_date in (select corrected.session_date from corrected)
    group by session_date, symbol, timespan

)

select
    corrected.session_date,
    corrected.symbol,
    corrected.timespan,
    corrected.bars,
    corrected.corrected_bars,
    corrected.corrections,
    corrected.largest_close_change,
    corrected.volume_change,
    coalesce(alerts.confirmed_alerts, 0) as confirmed_alerts,
    coalesce(alerts.retracted_alerts, 0) as retracted_alerts,
    corrected.landed_at
from corrected
left join alerts
    on
        corrected.session_date = alerts.session_date
        and corrected.symbol = alerts.symbol
        and corrected.timespan = alerts.timespan

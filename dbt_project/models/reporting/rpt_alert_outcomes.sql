{%- set minutes = [5, 30, 60] -%}
{%- set after = 'bars.bar_start_at >= alerts.bar_close_at' -%}
{{
    config(
        materialized='incremental',
        incremental_strategy='delete+insert',
        unique_key='session_date',
        transient=false
    )
}}

-- Prices are in the shares of the newest session, so that a split is no return.
-- depends_on: {{ ref('fact_intraday_metrics') }}
with sessions as (

    select
        session_date,
        lead(iff(is_regular, session_date, null)) ignore nulls over (order by session_date) as next_session_date
    from {{ ref('dim_market_sessions') }}

),

chosen as (

    select * from sessions
    {% if is_incremental() and not var('whole') %}
        -- what lands for a session tells of the alerts of the one before it, too
        where
            session_date in ({{ touched_sessions() }})
            or next_session_date in ({{ touched_sessions() }})
    {% endif %}

),

alerts as (

    select
        alerts.*,
        chosen.next_session_date
    from {{ ref('fact_alerts') }} as alerts
    inner join chosen on alerts.session_date = chosen.session_date
    where alerts.kind = 'market'

),

bars as (

    select
        symbol,
        session_date,
        bar_start_at,
        close,
        dividends_after,
        -- as they were traded
        volume * split_factor as volume,
        session_phase in ('opening_auction', 'regular', 'closing_auction') as is_regular,
        landed_at
    from {{ ref('fact_bars_adjusted') }}
    where
        timespan = 'minute'
        and session_date in (
            select chosen.session_date from chosen
            union distinct
            select chosen.next_session_date from chosen
        )

),

same_session as (

    select
        alerts.alert_id,
        max_by(bars.close, iff(bars.bar_start_at < alerts.bar_close_at, bars.bar_start_at, null)) as close_fired,
        {% for minute in minutes %}
            {%- set end = "dateadd('minute', " ~ minute ~ ", alerts.bar_close_at)" %}
            {%- set within = after ~ " and bars.bar_start_at < " ~ end %}
            max_by(bars.close, iff({{ within }}, bars.bar_start_at, null)) as close_{{ minute }}m,
            sum(iff({{ within }}, bars.volume, null)) as volume_{{ minute }}m,
        {% endfor %}
        max_by(bars.close, iff({{ after }} and bars.is_regular, bars.bar_start_at, null)) as close_session,
        sum(iff({{ after }} and bars.is_regular, bars.volume, null)) as volume_session,
        max(bars.dividends_after) as dividends_after,
        max(bars.landed_at) as landed_at
    from alerts
    inner join bars on alerts.symbol = bars.symbol and alerts.session_date = bars.session_date
    group by alerts.alert_id

),

closes as (

    select
        symbol,
        session_date,
        max_by(close, bar_start_at) as close,
        max(dividends_after) as dividends_after,
        sum(volume) as volume,
        max(landed_at) as landed_at
    from bars
    where is_regular
    group by symbol, session_date

),

news as (

    select
        alerts.alert_id,
        count(distinct news.article_id) as articles
    from alerts
    inner join {{ ref('fact_news') }} as news
        on
            alerts.symbol = news.symbol
            and news.article_published_at
            between dateadd('minute', -10, alerts.bar_close_at) and dateadd('minute', 10, alerts.bar_close_at)
    where not news.is_withdrawn
    group by alerts.alert_id

)

select
    alerts.alert_id,
    alerts.rule,
    alerts.form,
    alerts.symbol,
    alerts.session_date,
    alerts.next_session_date,
    alerts.direction,
    alerts.severity,
    alerts.status = 'retracted' as is_retracted,
    {% for minute in minutes %}
        same_session.close_{{ minute }}m / nullif(same_session.close_fired, 0) - 1 as return_{{ minute }}m,
        same_session.volume_{{ minute }}m::float as volume_{{ minute }}m,
    {% endfor %}
    same_session.close_session / nullif(same_session.close_fired, 0) - 1 as return_session,
    same_session.volume_session::float as volume_session,
    (closes.close + same_session.dividends_after - closes.dividends_after) / nullif(same_session.close_fired, 0) - 1
        as return_next_session,
    closes.volume::float as volume_next_session,
    coalesce(news.articles, 0) as articles_within_10m,
    greatest(
        alerts.landed_at,
        coalesce(same_session.landed_at, alerts.landed_at),
        coalesce(closes.landed_at, alerts.landed_at)
    ) as landed_at
from alerts
left join same_session on alerts.alert_id = same_session.alert_id
left join closes on alerts.symbol = closes.symbol and alerts.next_session_date = closes.session_date
left join news on alerts.alert_id = news.alert_id

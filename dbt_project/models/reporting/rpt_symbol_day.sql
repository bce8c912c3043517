with bars as (

    select
        symbol,
        session_date,
        count(*) as bars,
        sum(volume) as volume,
        min_by(open, bar_start_at) as open,
        max(high) as high,
        min(low) as low,
        max_by(close, bar_start_at) as close
    from {{ ref('fact_intraday_metrics') }}
    where timespan = 'minute' and session_date is not null
    group by symbol, session_date

),

alerts as (

    select
        symbol,
        session_date,
        count(*) as alerts,
        max(score) as highest_score
    from {{ ref('fact_alerts') }}
    where status <> 'retracted'
    group by symbol, session_date

)

select
    coalesce(bars.symbol, alerts.symbol) as symbol,
    coalesce(bars.session_date, alerts.session_date) as session_date,
    coalesce(bars.bars, 0) as bars,
    coalesce(bars.volume, 0) as volume,
    bars.open,
    bars.high,
    bars.low,
    bars.close,
    coalesce(alerts.alerts, 0) as alerts,
    alerts.highest_score
from bars
full outer join alerts on bars.symbol = alerts.symbol and bars.session_date = alerts.session_date

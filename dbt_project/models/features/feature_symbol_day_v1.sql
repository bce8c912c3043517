{{ config(cluster_by=['session_date']) }}

-- How a session stands for a symbol, each time that it stands otherwise: known since the last row that says so landed.
with touched as (

    {% if is_incremental() %}
        {{ touched_sessions() }}
    {% else %}
        select session_date from {{ ref('dim_market_sessions') }}
    {% endif %}

),

bars as (

    select
        symbol,
        session_date,
        max_by(close, bar_start_at) / nullif(min_by(open, bar_start_at), 0) - 1 as day_return,
        round(sqrt(sum(square(log_return))), 9) as volatility,
        max(rvol) as highest_rvol,
        max(volume_z) as highest_volume_z,
        max_by(gap, iff(gap is null, null, bar_start_at)) as gap,
        max_by(gap_range, iff(gap_range is null, null, bar_start_at)) as gap_range,
        max(landed_at) as landed_at
    from {{ ref('fact_intraday_metrics') }}
    where
        timespan = 'minute'
        and session_date in (select touched.session_date from touched)
    group by symbol, session_date

),

alerts as (

    select
        symbol,
        session_date,
        count_if(status <> 'retracted') as alerts,
        count_if(status = 'retracted') as retracted_alerts,
        max(iff(status <> 'retracted', rarity_sessions, null)) as rarity_sessions,
        max(landed_at) as landed_at
    from {{ ref('fact_alerts') }}
    where
        kind = 'market'
        and session_date in (select touched.session_date from touched)
    group by symbol, session_date

),

stands as (

    select
        bars.symbol,
        bars.session_date,
        bars.day_return,
        bars.volatility,
        bars.highest_rvol,
        bars.highest_volume_z,
        bars.gap,
        bars.gap_range,
        coalesce(alerts.alerts, 0) as alerts,
        coalesce(alerts.retracted_alerts, 0) as retracted_alerts,
        alerts.rarity_sessions,
        greatest(bars.landed_at, coalesce(alerts.landed_at, bars.landed_at)) as landed_at
    from bars
    left join alerts on bars.symbol = alerts.symbol and bars.session_date = alerts.session_date

),

{% if is_incremental() %}
    known as (

        select *
        from {{ this }}
        where session_date in (select stands.session_date from stands)
        qualify row_number() over (partition by symbol, session_date order by known_at desc) = 1

    ),

    reached as (

        select
            symbol,
            max(session_date) as session_date
        from {{ this }}
        where session_date > (select min(stands.session_date) from stands)
        group by symbol

    ),

    changed as (

        select
            stands.*,
            reached.session_date as reached_date,
            -- what landed behind others that the last row rests on is known since this build
            iff(
                known.known_at is null or stands.landed_at > known.known_at,
                stands.landed_at,
                greatest(dateadd('millisecond', 1, known.known_at), {{ build_started_at() }})
            ) as known_at
        from stands
        left join known on stands.symbol = known.symbol and stands.session_date = known.session_date
        left join reached on stands.symbol = reached.symbol
        where
            known.symbol is null
            or hash(
                stands.day_return, stands.volatility, stands.highest_rvol, stands.highest_volume_z, stands.gap,
                stands.gap_range, stands.alerts, stands.retracted_alerts, stands.rarity_sessions
            ) <> hash(
                known.day_return, known.volatility, known.highest_rvol, known.highest_volume_z, known.gap,
                known.gap_range, known.alerts, known.retracted_alerts, known.rarity_sessions
            )

    )
{% else %}
    changed as (

        select
            stands.*,
            null::date as reached_date,
            stands.landed_at as known_at
        from stands

    )
{% endif %}

select
    -- ids
    symbol,
    session_date,

    -- features
    day_return,
    volatility,
    highest_rvol,
    highest_volume_z,
    gap,
    gap_range,
    alerts,
    retracted_alerts,
    rarity_sessions,

    -- what may be served: the backfill of an earlier session is not how the symbol stands
    session_date >= coalesce(reached_date, session_date)
    and session_date = max(session_date) over (partition by symbol order by known_at asc) as is_newest,

    -- timestamps
    known_at,
    landed_at
from changed

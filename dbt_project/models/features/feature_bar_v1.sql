{{ config(cluster_by=['bar_start_at::date']) }}

-- Every message is a row, known since it was published: a correction is one more, and shows in no earlier moment.
with landed as (

    select
        {{ message_id() }} as message_id,
        *
    from {{ ref('stg_metrics') }}
    {% if is_incremental() %}
        where landed_at >= {{ newest_landed(this, var('lookback_minutes')) }}
    {% endif %}

),

{% if is_incremental() %}
    known as (

        select message_id
        from {{ this }}
        where landed_at >= {{ newest_landed(this, var('lookback_minutes')) }}

    ),

    fresh as (

        select landed.*
        from landed
        left join known on landed.message_id = known.message_id
        where known.message_id is null

    ),

    reached as (

        select
            symbol,
            timespan,
            max(bar_start_at) as bar_start_at
        from {{ this }}
        where bar_start_at > (select min(fresh.bar_start_at) from fresh)
        group by symbol, timespan

    ),
{% else %}
    fresh as (

        select * from landed

    ),

    reached as (

        select
            symbol,
            timespan,
            bar_start_at
        from fresh
        where false

    ),
{% endif %}

placed as (

    select
        fresh.*,
        -- of what was published in one millisecond the last bar, and of that the last message
        fresh.bar_start_at >= coalesce(reached.bar_start_at, fresh.bar_start_at)
        and row_number() over (
            partition by fresh.symbol, fresh.timespan, fresh.published_at
            order by fresh.bar_start_at desc, fresh.kafka_offset desc
        ) = 1
        and fresh.bar_start_at = max(fresh.bar_start_at) over (
            partition by fresh.symbol, fresh.timespan order by fresh.published_at asc
        ) as is_newest
    from fresh
    left join reached on fresh.symbol = reached.symbol and fresh.timespan = reached.timespan

)

select
    -- ids
    message_id,
    symbol,
    timespan,
    bar_start_at,
    session_date,

    -- features
    rvol,
    volume_z,
    volatility_ratio,
    breakout_atr,
    log_return,

    -- what may be served: neither a backfill nor the correction of an earlier bar is how the series stands
    is_newest,
    is_live,

    -- timestamps
    published_at as known_at,
    landed_at
from placed

{{
    config(
        materialized='incremental',
        incremental_strategy='merge',
        unique_key='instrument_key',
        on_schema_change='append_new_columns'
    )
}}

-- Always read as a whole, and merged: an unknown symbol stays when its last bar has left RAW, as its facts do.
with versions as (

    select
        *,
        row_number() over (partition by symbol order by dbt_valid_from) as version
    from {{ ref('snap_instruments') }}

),

known as (

    select
        symbol,
        name,
        market,
        type,
        primary_exchange,
        currency,
        cik,
        composite_figi,
        share_class_figi,
        is_active,
        previous_symbol,
        ticker_since,
        delisted_on,
        true as is_known,
        -- nothing is known of the time before the first poll: its version is taken to hold for all of it
        iff(version = 1, '1900-01-01'::timestamp_ntz, dbt_valid_from) as valid_from,
        coalesce(dbt_valid_to, '9999-12-31'::timestamp_ntz) as valid_to
    from versions

),

seen as (

    select symbol from {{ ref('stg_bars') }}
    union distinct
    select symbol from {{ ref('stg_alerts') }}

),

unknown as (

    -- same valid_from as a first known version, so its key stays right once the reference data arrives
    select
        symbol,
        'unknown' as name,
        'unknown' as market,
        null::varchar as type,
        null::varchar as primary_exchange,
        null::varchar as currency,
        null::varchar as cik,
        null::varchar as composite_figi,
        null::varchar as share_class_figi,
        null::boolean as is_active,
        null::varchar as previous_symbol,
        null::date as ticker_since,
        null::date as delisted_on,
        false as is_known,
        '1900-01-01'::timestamp_ntz as valid_from,
        '9999-12-31'::timestamp_ntz as valid_to
    from seen
    where
        not exists (
            select 1 from known
            where known.symbol = seen.symbol
        )

),

instruments as (

    select * from known
    union all
    select * from unknown

)

select
    {{ instrument_key('symbol', 'valid_from') }} as instrument_key,
    instruments.*,
    valid_to = '9999-12-31'::timestamp_ntz as is_current
from instruments

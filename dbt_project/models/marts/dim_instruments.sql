-- From all that was ever polled, by the time of the poll: what arrives late or in the wrong order, or comes back to
-- what it was, makes the versions that it would have made in time.
with polls as (

    select * from {{ ref('int_instruments') }}

),

-- event_id tells apart what is said of a symbol, and nothing else
changes as (

    select
        *,
        lag(event_id) over (partition by symbol order by polled_at) as event_id_before
    from polls
    qualify event_id_before is null or event_id_before <> event_id

),

versions as (

    select
        *,
        -- nothing is known of the time before the first poll: its version is taken to hold for all of it
        iff(event_id_before is null, '1900-01-01'::timestamp_ntz, polled_at) as valid_from,
        lead(polled_at, 1, '9999-12-31'::timestamp_ntz) over (partition by symbol order by polled_at) as valid_to
    from changes

),

known as (

    select
        {{ instrument_key('symbol', 'valid_from') }} as instrument_key,
        symbol,
        coalesce(composite_figi, symbol) as instrument_id,
        name,
        market,
        type,
        primary_exchange,
        currency,
        cik,
        composite_figi,
        share_class_figi,
        is_active and delisted_on is null as is_active,
        previous_symbol,
        ticker_since,
        delisted_on,
        true as is_known,
        valid_from,
        valid_to,
        valid_to = '9999-12-31'::timestamp_ntz as is_current,
        landed_at
    from versions

),

unknown as (

    select
        {{ unknown_instrument() }} as instrument_key,
        'unknown' as symbol,
        'unknown' as instrument_id,
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
        '9999-12-31'::timestamp_ntz as valid_to,
        true as is_current,
        '1970-01-01'::timestamp_ntz as landed_at

)

select * from known
union all
select * from unknown

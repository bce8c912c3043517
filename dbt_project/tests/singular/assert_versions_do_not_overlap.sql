-- A row: a version that ends before it begins, or overlaps or leaves a gap to the next one of the same symbol.
-- Facts would then find two versions, or none.
with versions as (

    select
        symbol,
        valid_from,
        valid_to,
        lead(valid_from) over (partition by symbol order by valid_from) as next_valid_from
    from {{ ref('dim_instruments') }}

)

select *
from versions
where valid_to <= valid_from or valid_to <> coalesce(next_valid_from, '9999-12-31'::timestamp_ntz)

{#
    What landed before is in an incremental model already, so only what landed since is read, and filtered before the
    window function: nothing else of RAW is scanned. A message that lands late does not replace a later one.
    Later is what was published later: a topic that was restored or made anew counts its offsets anew.
    since: the time in the key, so that only what is known of the time of these messages is looked up.
#}
{% macro newest_messages(messages, key, since=none) -%}
    {%- set same = [] -%}
    {%- for column in key -%}{%- do same.append("newest." ~ column ~ " = known." ~ column) -%}{%- endfor -%}
with landed as (

    select * from {{ messages }}
    {% if is_incremental() %}
        where landed_at >= {{ newest_landed(this, var('lookback_minutes')) }}
    {% endif %}

),

{% if is_incremental() %}
    known as (

        select * from {{ this }}
        where {{ since ~ " >= (select min(landed." ~ since ~ ") from landed)" if since else "true" }}

    ),
{% endif %}

newest as (

    select *
    from landed
    qualify row_number() over (
        partition by {{ key | join(', ') }}
        order by published_at desc, kafka_offset desc
    ) = 1

)

select newest.*
from newest
{% if is_incremental() %}
    left join known on {{ same | join(" and ") }}
    where
        known.published_at is null
        or newest.published_at > known.published_at
        or (newest.published_at = known.published_at and newest.kafka_offset > known.kafka_offset)
{% endif %}
{%- endmacro %}

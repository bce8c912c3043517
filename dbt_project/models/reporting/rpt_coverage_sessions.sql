{{
    config(
        materialized='incremental',
        incremental_strategy='append',
        full_refresh=false,
        transient=false
    )
}}

{%- set counts = [
    'expected_minutes', 'watched_minutes', 'late_minutes', 'no_trade_minutes', 'no_history_minutes', 'rejected_minutes',
    'not_measured_minutes', 'not_polled_minutes'
] -%}

-- What is said of a session is never changed: what is said otherwise of it later stands beside it.
with coverage as (

    select * from {{ ref('rpt_coverage') }}
    {% if is_incremental() %}
        where session_date in ({{ sessions_touched_in(ref('rpt_coverage')) }})
    {% endif %}

),

{% if is_incremental() %}
    known as (

        select
            session_date,
            digest
        from {{ this }}
        qualify row_number() over (partition by session_date order by computed_at desc) = 1

    ),
{% endif %}

symbols as (

    select
        session_date,
        symbol,
        count(*) as rules,
        {% for count in counts %}
            sum({{ count }})::int as {{ count }},
        {% endfor %}
        sha2(
            listagg(
                symbol || ',' || rule || ',' || form
                {% for count in counts %}
                    || ',' || {{ count }}::varchar
                {% endfor %},
                ';'
            ) within group (order by rule, form),
            256
        ) as digest,
        max(landed_at) as landed_at
    from coverage
    group by session_date, symbol

),

sessions as (

    select
        session_date,
        count(*) as symbols,
        sum(rules)::int as coverage_rows,
        {% for count in counts %}
            sum({{ count }})::int as {{ count }},
        {% endfor %}
        count_if(watched_minutes = 0) as unwatched_symbols,
        sha2(listagg(digest, ';') within group (order by symbol), 256) as digest,
        max(landed_at) as landed_at
    from symbols
    group by session_date

)

select
    to_char(sessions.session_date, 'YYYY-MM-DD') || '|' || to_char({{ build_started_at() }}, 'YYYY-MM-DD HH24:MI:SS')
        as statement_id,
    sessions.session_date,
    sessions.symbols,
    sessions.unwatched_symbols,
    sessions.coverage_rows,
    {% for count in counts %}
        sessions.{{ count }},
    {% endfor %}
    sessions.digest,
    {{ build_started_at() }} as computed_at,
    sessions.landed_at
from sessions
{% if is_incremental() %}
    left join known on sessions.session_date = known.session_date
    where known.digest is null or known.digest <> sessions.digest
{% endif %}

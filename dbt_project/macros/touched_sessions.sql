{% macro touched_sessions() -%}
    select session_date from {{ ref('fact_intraday_metrics') }}
    where landed_at >= {{ newest_landed(this, var('lookback_minutes')) }}
    union distinct
    select session_date from {{ ref('fact_alerts') }}
    where landed_at >= {{ newest_landed(this, var('lookback_minutes')) }}
{%- endmacro %}

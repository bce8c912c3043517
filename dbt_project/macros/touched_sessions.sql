{% macro touched_sessions() -%}
    {{ sessions_touched_in(ref('fact_intraday_metrics')) }}
    union distinct
    {{ sessions_touched_in(ref('fact_alerts')) }}
{%- endmacro %}

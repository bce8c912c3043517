{% macro bar_id() -%}
    symbol || '|' || timespan || '|' || to_char(bar_start_at, 'YYYY-MM-DD HH24:MI:SS')
{%- endmacro %}

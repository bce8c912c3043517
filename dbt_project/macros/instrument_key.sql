{% macro instrument_key(symbol, valid_from) -%}
    md5({{ symbol }} || '|' || to_char({{ valid_from }}, 'YYYY-MM-DD HH24:MI:SS.FF3'))
{%- endmacro %}

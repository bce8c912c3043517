{% macro unknown_instrument() -%}
    'unknown'
{%- endmacro %}

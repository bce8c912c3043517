{% macro from_header_ms(path) -%}
    to_timestamp_ntz(try_cast({{ path }}::varchar as int), 3)
{%- endmacro %}

{% macro from_epoch_ms(path) -%}
    to_timestamp_ntz({{ path }}::int, 3)
{%- endmacro %}

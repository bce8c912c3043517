{% macro as_of(moment, version) -%}
    {{ moment }} >= {{ version }}.valid_from and {{ moment }} < {{ version }}.valid_to
{%- endmacro %}

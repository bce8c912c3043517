{% macro build_started_at() -%}
    '{{ (run_started_at | string)[:19] }}'::timestamp_ntz
{%- endmacro %}

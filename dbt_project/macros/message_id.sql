{% macro message_id() -%}
    kafka_partition || '|' || kafka_offset || '|' || to_char(published_at, 'YYYY-MM-DD HH24:MI:SS.FF3')
{%- endmacro %}

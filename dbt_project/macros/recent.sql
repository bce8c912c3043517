{% macro recent(relation, prefix='') -%}
    {% if var('whole') -%}
        true
    {%- else -%}
        {{ prefix }}landed_at >= {{ newest_landed(relation, 1440 * var('horizon_days')) }}
    {%- endif %}
{%- endmacro %}

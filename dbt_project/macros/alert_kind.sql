{% macro alert_kind(rule) -%}
    iff({{ rule }} in ('feed_freshness', 'data_quality', 'log_break'), 'operations', 'market')
{%- endmacro %}

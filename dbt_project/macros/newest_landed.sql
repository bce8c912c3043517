{# What is stamped after the build began was stamped by a clock that is ahead: it says nothing of what is there. #}
{% macro newest_landed(relation, minutes_before) -%}
    (
        select coalesce(dateadd('minute', -{{ minutes_before }}, max(landed_at)), '1970-01-01'::timestamp_ntz)
        from {{ relation }}
        where landed_at <= {{ build_started_at() }}
    )
{%- endmacro %}

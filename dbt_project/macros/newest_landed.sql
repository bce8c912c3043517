{% macro newest_landed(relation, minutes_before) -%}
    (
        select coalesce(dateadd('minute', -{{ minutes_before }}, max(landed_at)), '1970-01-01'::timestamp_ntz)
        from {{ relation }}
    )
{%- endmacro %}

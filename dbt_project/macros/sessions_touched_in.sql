{% macro sessions_touched_in(relation) -%}
    select touched.session_date from {{ relation }} as touched
    where touched.landed_at >= {{ newest_landed(this, var('lookback_minutes')) }}
{%- endmacro %}

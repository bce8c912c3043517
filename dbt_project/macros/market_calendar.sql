{# Told to whoever builds, not to whoever parses: so a new session has no file of the project parsed anew. #}
{% macro market_calendar() -%}
    select
        session.value:date::varchar::date as session_date,
        {{ from_epoch_ms('session.value:open_ms') }} as open_at,
        {{ from_epoch_ms('session.value:close_ms') }} as close_at
    from table(flatten(input => parse_json('{{ env_var("MARKET_SESSIONS", "[]") if execute else "[]" }}'))) as session
{%- endmacro %}

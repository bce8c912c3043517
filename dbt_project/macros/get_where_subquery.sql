{# dbt's own, for a `where` of generic tests that is a macro's. #}
{% macro get_where_subquery(relation) -%}
    {%- if config.get('where') == '__recent__' and not var('whole') -%}
        {%- do return('(select * from ' ~ relation ~ ' where ' ~ recent(relation) ~ ') as recent') -%}
    {%- else -%}
        {%- do return(relation) -%}
    {%- endif -%}
{%- endmacro %}

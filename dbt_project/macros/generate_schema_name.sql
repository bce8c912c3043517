{# A model's schema is its folder's, whoever builds it: never the profile's schema with a suffix. #}
{% macro generate_schema_name(custom_schema_name, node) -%}
    {{ custom_schema_name | trim if custom_schema_name else target.schema }}
{%- endmacro %}

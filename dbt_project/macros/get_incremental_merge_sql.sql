{#
    dbt's own, told from when on a MERGE has to look for the rows that it replaces: the earliest time among the new
    ones, as a literal, by which Snowflake passes over what was stored before. That is for models whose new rows are
    made as a table first (tmp_relation_type), and whose unique_key begins with the time.
#}
{% macro snowflake__get_incremental_merge_sql(arg_dict) -%}
    {%- set predicates = (arg_dict["incremental_predicates"] or []) | list -%}
    {%- if config.get("tmp_relation_type") == "table" -%}
        {%- set time = arg_dict["unique_key"][0] -%}
        {%- set earliest = run_query(
            "select to_char(min(" ~ time ~ "), 'YYYY-MM-DD HH24:MI:SS') from " ~ arg_dict["temp_relation"]
        ) -%}
        {%- if earliest.columns[0][0] -%}
            {%- do predicates.append(
                "DBT_INTERNAL_DEST." ~ time ~ " >= '" ~ earliest.columns[0][0] ~ "'::timestamp_ntz"
            ) -%}
        {%- endif -%}
    {%- endif -%}
    {{ return(get_merge_sql(
        arg_dict["target_relation"],
        arg_dict["temp_relation"],
        arg_dict["unique_key"],
        arg_dict["dest_columns"],
        predicates
    )) }}
{%- endmacro %}

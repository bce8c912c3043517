{{
    config(
        materialized='incremental',
        unique_key='message_id',
        on_schema_change='append_new_columns',
        full_refresh=false,
        transient=false
    )
}}

{{ newest_messages(ref('stg_alerts'), ['message_id']) }}

{{
    config(
        materialized='incremental',
        unique_key='message_id',
        full_refresh=false,
        transient=false
    )
}}

{{ newest_messages(ref('stg_alerts'), ['message_id']) }}

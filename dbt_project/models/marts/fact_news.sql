{{
    config(
        materialized='incremental',
        unique_key='news_id',
        full_refresh=false,
        transient=false
    )
}}

{{ newest_messages(ref('stg_news'), ['news_id']) }}

{{ config(materialized='view') }}

-- RAW keeps dispositions for ever.
{{ newest_messages(ref('stg_dispositions'), ['disposition_id']) }}

{{ config(materialized='view') }}

-- RAW keeps corporate actions for ever.
{{ newest_messages(ref('stg_corporate_actions'), ['action_id']) }}

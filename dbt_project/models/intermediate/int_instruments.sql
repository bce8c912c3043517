{{ config(unique_key=['symbol', 'polled_at']) }}

{{ newest_messages(ref('stg_instruments'), ['symbol', 'polled_at'], since='polled_at') }}

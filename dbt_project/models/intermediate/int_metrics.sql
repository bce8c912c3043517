{{
    config(unique_key=['bar_start_at', 'bar_id'], cluster_by=['bar_start_at::date'], tmp_relation_type='table')
}}

{{ newest_messages(ref('stg_metrics'), ['bar_start_at', 'bar_id'], since='bar_start_at') }}

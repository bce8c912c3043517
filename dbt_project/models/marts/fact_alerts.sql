-- Rows land while a build runs: an alert whose instrument or session is younger than its dimension waits for the next.
with alerts as (

    select
        * exclude (polled_at),
        coalesce(polled_at, dateadd('millisecond', data_age_ms, bar_close_at)) as polled_at
    from {{ ref('stg_alerts') }}

)

select
    -- ids
    alerts.alert_id,
    instruments.instrument_key,
    sessions.session_date,
    alerts.bar_id,
    alerts.symbol,
    alerts.timespan,
    alerts.article_id,
    alerts.event_ids,
    alerts.tag_evidence,

    -- what fired
    alerts.rule,
    alerts.kind,
    alerts.rule_version,
    alerts.parameters_version,
    alerts.form,
    alerts.profile_version,
    alerts.status,
    alerts.firings,
    alerts.direction,
    alerts.severity,
    alerts.score,
    alerts.rarity_sessions,
    alerts.value,
    alerts.threshold,
    alerts.baseline,
    alerts.before_value,
    alerts.before_threshold,
    alerts.inhibited_by,
    alerts.hole_cause,
    alerts.tag,
    alerts.session_phase,
    alerts.explanation,
    alerts.is_live,

    -- when
    alerts.bar_start_at,
    alerts.window_start_at,
    alerts.window_end_at,
    alerts.episode_start_at,
    alerts.hole_start_at,
    alerts.hole_end_at,
    alerts.bar_close_at,
    alerts.polled_at,
    alerts.appended_at,
    alerts.detected_at,
    alerts.alerted_at,
    alerts.landed_at,

    -- how long it took
    datediff('millisecond', alerts.bar_close_at, alerts.polled_at) / 1000::float as close_to_poll_seconds,
    datediff('millisecond', alerts.polled_at, alerts.appended_at) / 1000::float as poll_to_append_seconds,
    datediff('millisecond', alerts.appended_at, alerts.detected_at) / 1000::float as append_to_detect_seconds,
    datediff('millisecond', alerts.detected_at, alerts.alerted_at) / 1000::float as detect_to_alert_seconds,
    datediff('millisecond', alerts.polled_at, alerts.alerted_at) / 1000::float as poll_to_alert_seconds,
    datediff('millisecond', alerts.bar_close_at, alerts.alerted_at) / 1000::float as close_to_alert_seconds,
    datediff('millisecond', alerts.alerted_at, alerts.landed_at) / 1000::float as alert_to_landed_seconds
from alerts
inner join {{ ref('dim_instruments') }} as instruments
    on alerts.symbol = instruments.symbol and {{ as_of('alerts.bar_start_at', 'instruments') }}
inner join {{ ref('dim_market_sessions') }} as sessions on alerts.session_date = sessions.session_date

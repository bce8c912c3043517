insert into alerts (
    alert_id, rule, symbol, timespan, bar_at, severity, score, direction, value, threshold, baseline,
    session_phase, session_date, data_age_ms, source, explanation, event_ids,
    form, status, firings, before_value, before_threshold, inhibited_by, profile_version, record,
    bar_closed_at, polled_at, appended_at, detected_at, published_at, kind, incident,
    tag, tag_evidence, notification, notified_at
)
select
    message.record ->> 'event_id', alert.rule, alert.symbol, alert.timespan,
    to_timestamp((message.record ->> 'ts_ms')::bigint / 1000.0), alert.severity,
    alert.score, alert.direction, alert.value, alert.threshold, alert.baseline,
    alert.session_phase, alert.session_date, alert.data_age_ms, alert.source, alert.explanation, alert.event_ids,
    alert.form, alert.status, alert.firings, alert.before_value, alert.before_threshold, alert.inhibited_by,
    alert.profile_version, message.record,
    to_timestamp((message.record ->> 'bar_close_ms')::bigint / 1000.0), to_timestamp(message.polled_ms / 1000.0),
    to_timestamp(message.appended_ms / 1000.0), to_timestamp(message.detected_ms / 1000.0),
    to_timestamp(message.published_ms / 1000.0), message.alert_kind, message.incident,
    alert.tag, alert.tag_evidence,
    coalesce('not sent: ' || message.reason_not_to_notify, 'pending'),
    case when message.reason_not_to_notify is not null then now() end
from
    json_to_recordset(%(messages)s::json) as message (
        record json, alert_kind text, incident text, reason_not_to_notify text,
        polled_ms bigint, appended_ms bigint, detected_ms bigint, published_ms bigint
    )
-- Fields and columns of the same name are of the same type.
cross join json_populate_record(null::alerts, message.record) as alert
-- Whoever decides on alerts locks them in the same order.
order by message.record ->> 'event_id'
on conflict (alert_id) do update
    set
        (
            bar_at, severity, score, direction, value, threshold, baseline, session_phase, session_date, data_age_ms,
            explanation, event_ids, form, status, firings, before_value, before_threshold, profile_version,
            tag, tag_evidence, record, bar_closed_at, polled_at, appended_at, detected_at, published_at
        ) = (
            excluded.bar_at, excluded.severity, excluded.score, excluded.direction, excluded.value,
            excluded.threshold, excluded.baseline, excluded.session_phase, excluded.session_date,
            excluded.data_age_ms, excluded.explanation, excluded.event_ids, excluded.form,
            excluded.status, excluded.firings, excluded.before_value, excluded.before_threshold,
            excluded.profile_version, excluded.tag, excluded.tag_evidence, excluded.record,
            excluded.bar_closed_at, excluded.polled_at, excluded.appended_at, excluded.detected_at,
            excluded.published_at
        ),
        -- What was told live is no history, whatever a backfill brings again.
        source = case when alerts.source = 'live' then 'live' else excluded.source end,
        -- An alert that a market event covers stays so while its episode goes on.
        inhibited_by = coalesce(
            excluded.inhibited_by, case when alerts.told_status = 'covered' then alerts.inhibited_by end
        ),
        -- What people have been notified of is for the next message to them to change.
        notification = case
            when alerts.told_status is null and excluded.notified_at is not null then excluded.notification
            else alerts.notification
        end,
        notified_at = case
            when alerts.told_status is null then coalesce(excluded.notified_at, alerts.notified_at)
            else alerts.notified_at
        end,
        last_seen_at = now()
returning alert_id, told_status, told_severity

insert into alerts (
    alert_id, rule, symbol, timespan, bar_at, severity, score, direction, value, threshold, baseline,
    session_phase, session_date, data_age_ms, source, explanation, event_ids,
    form, status, firings, before_value, before_threshold, inhibited_by, profile_version, record,
    bar_closed_at, polled_at, appended_at, detected_at, published_at
) values (
    %(event_id)s, %(rule)s, %(symbol)s, %(timespan)s, to_timestamp(%(ts_ms)s / 1000.0), %(severity)s, %(score)s,
    %(direction)s, %(value)s, %(threshold)s, %(baseline)s, %(session_phase)s, %(session_date)s, %(data_age_ms)s,
    %(source)s, %(explanation)s, %(event_ids)s,
    %(form)s, %(status)s, %(firings)s, %(before_value)s, %(before_threshold)s, %(inhibited_by)s, %(profile_version)s,
    %(record)s,
    to_timestamp(%(bar_close_ms)s / 1000.0), to_timestamp(%(polled_ms)s::bigint / 1000.0),
    to_timestamp(%(appended_ms)s::bigint / 1000.0), to_timestamp(%(detected_ms)s::bigint / 1000.0),
    to_timestamp(%(published_ms)s::bigint / 1000.0)
)
on conflict (alert_id) do update set
    bar_at = excluded.bar_at,
    severity = excluded.severity,
    score = excluded.score,
    direction = excluded.direction,
    value = excluded.value,
    threshold = excluded.threshold,
    baseline = excluded.baseline,
    session_phase = excluded.session_phase,
    session_date = excluded.session_date,
    data_age_ms = excluded.data_age_ms,
    source = excluded.source,
    explanation = excluded.explanation,
    event_ids = excluded.event_ids,
    form = excluded.form,
    status = excluded.status,
    firings = excluded.firings,
    before_value = excluded.before_value,
    before_threshold = excluded.before_threshold,
    -- An alert that an event of the market covers stays so while its episode goes on.
    inhibited_by = coalesce(excluded.inhibited_by, case when alerts.told_status = 'covered' then alerts.inhibited_by end),
    profile_version = excluded.profile_version,
    record = excluded.record,
    bar_closed_at = excluded.bar_closed_at,
    polled_at = excluded.polled_at,
    appended_at = excluded.appended_at,
    detected_at = excluded.detected_at,
    published_at = excluded.published_at,
    last_seen_at = now()
returning told_status, told_severity

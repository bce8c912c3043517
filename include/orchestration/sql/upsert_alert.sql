insert into alerts (
    alert_id, rule, symbol, timespan, bar_at, severity, score, direction, value, threshold, baseline,
    session_phase, session_date, data_age_ms, source, explanation, event_ids
) values (
    %(event_id)s, %(rule)s, %(symbol)s, %(timespan)s, to_timestamp(%(ts_ms)s / 1000.0), %(severity)s, %(score)s,
    %(direction)s, %(value)s, %(threshold)s, %(baseline)s, %(session_phase)s, %(session_date)s, %(data_age_ms)s,
    %(source)s, %(explanation)s, %(event_ids)s
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
    last_seen_at = now()
returning notified_at is null as is_pending

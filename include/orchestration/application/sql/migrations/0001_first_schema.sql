create table if not exists alerts (
    alert_id text primary key,
    rule text not null,
    symbol text not null,
    timespan text not null,
    bar_at timestamptz not null,
    severity text not null,
    score double precision not null,
    direction text not null,
    value double precision not null,
    threshold double precision not null,
    baseline double precision,
    session_phase text not null,
    session_date text not null,
    data_age_ms bigint not null,
    source text not null,
    explanation text not null,
    event_ids text[] not null,
    first_seen_at timestamptz not null default now(),
    last_seen_at timestamptz not null default now(),
    notification text not null default 'pending',
    notified_at timestamptz
);

alter table alerts
add column if not exists form text not null default 'literal',
add column if not exists status text not null default 'fired',
add column if not exists firings integer not null default 1,
add column if not exists before_value double precision,
add column if not exists before_threshold double precision,
add column if not exists inhibited_by text,
add column if not exists profile_version text,
-- As published, for whoever needs more than the columns.
add column if not exists record json,
-- What people were last notified of: null is nothing, covered is a market event instead of the alert.
add column if not exists told_status text,
add column if not exists told_severity text,
-- What the alert's delay is made of.
add column if not exists bar_closed_at timestamptz,
add column if not exists polled_at timestamptz,
add column if not exists appended_at timestamptz,
add column if not exists detected_at timestamptz,
add column if not exists published_at timestamptz;

update alerts set told_status = 'fired', told_severity = severity
where told_status is null and notified_at is not null and notification not like 'not sent%';

create index if not exists alerts_bar_at on alerts (bar_at desc);

-- One row per run of a DAG. What does not apply to a stage, or is not known, is null.
create table if not exists batches (
    dag_id text not null,
    run_id text not null,
    stage text not null,
    -- The end of the run's data interval: for a poll the minute that it asked for.
    interval_end timestamptz,
    started_at timestamptz not null,
    ended_at timestamptz not null,
    tasks integer not null,
    failed integer not null,
    records bigint,
    bars bigint,
    metrics bigint,
    alerts bigint,
    late bigint,
    rejected bigint,
    rows bigint,
    primary key (dag_id, run_id)
);

create index if not exists batches_ended_at on batches (ended_at desc);

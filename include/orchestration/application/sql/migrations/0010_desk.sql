-- What people do with alerts. Each act is a row of audit_log too, of the same transaction.
create table reviews (
    alert_id text primary key,
    state text not null default 'open' check (state in ('open', 'in review', 'to sign', 'closed')),
    owner text,
    reason text,
    closed_by text,
    signed_by text,
    version integer not null default 0,
    changed_at timestamptz not null default now(),
    check ((state = 'open') = (owner is null)),
    check ((state in ('to sign', 'closed')) = (reason is not null and closed_by is not null)),
    check (signed_by <> closed_by)
);

create index reviews_state on reviews (state, changed_at);

create table silences (
    silence_id bigint generated always as identity primary key,
    matcher json not null,
    reason text not null,
    author text not null,
    begins_at timestamptz not null,
    ends_at timestamptz not null check (ends_at >= begins_at),
    -- Who ended it before its time.
    ended_by text
);

create index silences_ends_at on silences (ends_at);

create table cases (
    case_id bigint generated always as identity primary key,
    title text not null,
    narrative text not null,
    alerts text[] not null,
    status text not null check (status in ('draft', 'to sign', 'handed over')),
    opened_by text not null,
    submitted_by text,
    signed_by text,
    version integer not null,
    changed_at timestamptz not null default now(),
    check (signed_by <> submitted_by)
);

create index cases_alerts on cases using gin (alerts);

create table attachments (
    attachment_id bigint generated always as identity primary key,
    case_id bigint not null references cases,
    name text not null,
    media_type text not null,
    size integer not null,
    sha256 text not null,
    content bytea not null,
    added_by text not null,
    added_at timestamptz not null default now()
);

create index attachments_case on attachments (case_id);

-- An act at the desk comes from no row of Airflow's log; it says what was changed, and how that was before and after.
alter table audit_log
alter column log_id drop not null,
add column object_kind text,
add column object_id text,
-- json keeps the text that was hashed.
add column before json,
add column after json;

create index audit_log_object on audit_log (object_kind, object_id, audit_id);

-- The desk's chain.py makes the same hash; rows of before have the one that they had.
create or replace function hash_audit(entry audit_log) returns bytea
language sql immutable as $$
    select sha256(
        entry.previous_hash || convert_to(
            (
                jsonb_build_array(
                    entry.audit_id, entry.log_id, extract(epoch from entry.occurred_at), entry.event, entry.actor,
                    entry.dag_id, entry.run_id, entry.task_id, entry.map_index, entry.details,
                    extract(epoch from entry.exported_at)
                )
                || case
                    when entry.object_kind is null then '[]'::jsonb
                    else jsonb_build_array(
                        entry.object_kind, entry.object_id, entry.before::text, entry.after::text
                    )
                end
            )::text,
            'UTF8'
        )
    )
$$;

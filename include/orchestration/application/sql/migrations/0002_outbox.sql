-- What is to be sent: one row per version of an alert, or per message of operations, and channel.
create table if not exists outbox (
    outbox_id bigint generated always as identity primary key,
    channel text not null,
    kind text not null check (kind in ('alert', 'operations')),
    -- An alert's id, or the cause of a message of operations.
    subject text not null,
    version text not null,
    status text not null default '',
    severity text not null,
    -- Since when people could have been told.
    known_at timestamptz not null,
    message json not null,
    refusals integer not null default 0,
    refused_at timestamptz,
    -- Not to be sent before; null is at once.
    due_at timestamptz,
    sent_at timestamptz,
    -- told, digest or refused; null while it waits.
    outcome text,
    unique (subject, channel, kind, version)
);

create index if not exists outbox_waiting on outbox (channel, outbox_id) where sent_at is null;
create index if not exists outbox_sent on outbox (channel, sent_at) where sent_at is not null;

-- How each channel fares.
create table if not exists channels (
    channel text primary key,
    failures integer not null default 0,
    failing_since timestamptz,
    error text,
    due_at timestamptz,
    accepted_at timestamptz,
    rows_at_once integer not null default 200
);

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

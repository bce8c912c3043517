-- Who did what in Airflow, kept for years. Rows are only added: each carries the hash of the one before it.
create table audit_log (
    audit_id bigint primary key,
    -- Of the row in Airflow's own table log. A new metadata database counts from 1 again.
    log_id bigint not null,
    occurred_at timestamptz not null,
    event text not null,
    actor text,
    dag_id text,
    run_id text,
    task_id text,
    map_index integer,
    details text,
    exported_at timestamptz not null,
    previous_hash bytea not null,
    hash bytea not null,
    unique (log_id, occurred_at)
);

create index audit_log_occurred_at on audit_log (occurred_at);

create function hash_audit(entry audit_log) returns bytea
language sql immutable as $$
    select sha256(
        entry.previous_hash || convert_to(
            jsonb_build_array(
                entry.audit_id, entry.log_id, extract(epoch from entry.occurred_at), entry.event, entry.actor,
                entry.dag_id, entry.run_id, entry.task_id, entry.map_index, entry.details,
                extract(epoch from entry.exported_at)
            )::text,
            'UTF8'
        )
    )
$$;

create function chain_audit() returns trigger
language plpgsql as $$
declare
    newest audit_log;
begin
    -- One writer at a time, until the transaction ends. The number is ours alone in this database.
    perform pg_advisory_xact_lock(20200103);
    select * into newest from audit_log order by audit_id desc limit 1;
    new.audit_id := coalesce(newest.audit_id, 0) + 1;
    new.exported_at := now();
    new.previous_hash := coalesce(newest.hash, '');
    new.hash := hash_audit(new);
    return new;
end
$$;

create trigger chain_audit before insert on audit_log
for each row execute function chain_audit();

create function refuse_to_change_audit() returns trigger
language plpgsql as $$
begin
    -- The least that AUDIT_YEARS may be.
    if tg_op = 'DELETE' and old.occurred_at < now() - interval '5 years' then
        return old;
    end if;
    raise exception 'audit_log only grows: % is refused', lower(tg_op) using errcode = 'insufficient_privilege';
end
$$;

create trigger refuse_to_change_audit before update or delete on audit_log
for each row execute function refuse_to_change_audit();

create trigger refuse_to_empty_audit before truncate on audit_log
for each statement execute function refuse_to_change_audit();

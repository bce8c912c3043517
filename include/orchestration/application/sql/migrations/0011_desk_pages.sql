-- Whether people are done with an alert, so that the queue is read in its order from an index. Reviews say it; nobody
-- else writes it.
alter table alerts
add column closed boolean not null default false;

update alerts set closed = true
from reviews
where alerts.alert_id = reviews.alert_id and reviews.state = 'closed';

-- The desk's role may not change alerts: the function does it with the rights of who has made it. Rows are locked in
-- the order in which alerts are stored, so that the two wait for each other and not in a circle.
create function mark_closed() returns trigger
language plpgsql security definer set search_path from current as $$
begin
    perform alerts.alert_id
    from alerts inner join changed on alerts.alert_id = changed.alert_id
    where alerts.closed <> (changed.state = 'closed')
    order by alerts.alert_id
    for no key update of alerts;
    update alerts set closed = changed.state = 'closed'
    from changed
    where alerts.alert_id = changed.alert_id and alerts.closed <> (changed.state = 'closed');
    return null;
end
$$;

create trigger mark_closed after update on reviews referencing new table as changed
for each statement execute function mark_closed();

-- The queue's order, of what is open or closed and of both.
create index alerts_queue on alerts (
    kind, source, closed, (tag is not distinct from 'unexplained'), score, bar_at, alert_id
) where incident is null;
create index alerts_ranked on alerts (
    kind, source, (tag is not distinct from 'unexplained'), score, bar_at, alert_id
) where incident is null;
create index alerts_open on alerts (kind, source, bar_at, alert_id) where incident is null and not closed;

-- What the live page asks every few seconds: is there anything new?
create index alerts_last_seen_at on alerts (last_seen_at);

-- Bars and news around an alert, as they were when it was kept. The hash is of the JSON that content holds, compressed.
create table evidence (
    alert_id text primary key,
    sha256 bytea not null unique,
    content bytea not null,
    kept_at timestamptz not null default now()
);

create function refuse_to_change_evidence() returns trigger
language plpgsql as $$
begin
    if tg_op = 'DELETE' and not exists (select from alerts where alert_id = old.alert_id) then
        return old;
    end if;
    raise exception 'evidence is never changed, and goes with its alert: % is refused', lower(tg_op)
    using errcode = 'insufficient_privilege';
end
$$;

create trigger refuse_to_change_evidence before update or delete on evidence
for each row execute function refuse_to_change_evidence();

-- Acts that were asked for with a key of the asker's: asked for again, they are answered as before and not done again.
create table requests (
    actor text not null,
    key text not null,
    -- Of what was asked for.
    digest bytea not null,
    made_at timestamptz not null default now(),
    -- Null: done, and the answer is lost.
    status integer,
    answer text,
    primary key (actor, key)
);

create index requests_made_at on requests (made_at);

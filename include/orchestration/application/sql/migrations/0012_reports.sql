-- What a lead has signed: the daily report of a session as it was then, named by its hash. A report that is another
-- later is signed anew.
create table report_signatures (
    session_date text not null,
    -- Of content: the report as JSON.
    sha256 bytea not null,
    content text not null check (sha256 = sha256(convert_to(content, 'UTF8'))),
    signed_by text not null,
    signed_at timestamptz not null default now(),
    primary key (session_date, sha256)
);

create function refuse_to_change_signatures() returns trigger
language plpgsql as $$
begin
    raise exception 'what was signed is kept: % is refused', lower(tg_op) using errcode = 'insufficient_privilege';
end
$$;

create trigger refuse_to_change_signatures before update or delete on report_signatures
for each row execute function refuse_to_change_signatures();

create trigger refuse_to_empty_signatures before truncate on report_signatures
for each statement execute function refuse_to_change_signatures();

-- Reports ask for whole sessions.
create index alerts_session on alerts (source, session_date);

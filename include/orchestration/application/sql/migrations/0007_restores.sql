-- Each restore of a copy: what people were told between the copy and then is not in it.
create table if not exists restores (
    restored_at timestamptz primary key default now(),
    copied_at timestamptz not null,
    -- Alerts of bars that closed until then are taken as told.
    told_until timestamptz not null
);

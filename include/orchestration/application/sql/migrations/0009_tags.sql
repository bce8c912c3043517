-- What explains the alert, and what says so; null for alerts of operations and for those of before.
alter table alerts
add column if not exists tag text,
add column if not exists tag_evidence text[];

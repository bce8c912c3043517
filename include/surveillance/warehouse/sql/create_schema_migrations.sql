create table if not exists raw.schema_migrations (
    version number,
    name varchar,
    applied_at timestamp_ntz
)

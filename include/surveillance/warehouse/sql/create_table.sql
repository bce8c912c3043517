-- No primary key: Snowflake would not enforce it; event_id is kept unique by merge_rows.sql.
create table if not exists raw.{table} ({columns})

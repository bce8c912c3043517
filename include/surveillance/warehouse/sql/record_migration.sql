merge into raw.schema_migrations as recorded
using (select %(version)s::int as version) as applied
    on recorded.version = applied.version
when not matched then
    insert (version, name, applied_at) values (%(version)s, %(name)s, %(applied_at)s::timestamp_ntz)

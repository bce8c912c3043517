select version from raw.schema_migrations

select count(*)
from pg_tables
where schemaname = 'public'

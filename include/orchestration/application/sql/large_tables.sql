select relname, pg_total_relation_size(oid) as bytes
from pg_class
where relkind = 'r' and relnamespace = 'public'::regnamespace and pg_total_relation_size(oid) >= %(bytes)s
order by bytes

-- The newest of some rows that the table has as they are given; a restored copy may have others of the same number.
select max(audit_log.audit_id)
from audit_log
inner join json_to_recordset(%(entries)s::json) as known (audit_id bigint, hash text)
    on audit_log.audit_id = known.audit_id and encode(audit_log.hash, 'hex') = known.hash

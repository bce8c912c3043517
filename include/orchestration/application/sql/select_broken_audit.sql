-- The first row that is not what was written, or does not follow the one before it. Of the oldest that is left, the one
-- before has been deleted.
select audit_id, occurred_at
from (
    select
        audit_id, occurred_at, hash, previous_hash, hash_audit(audit_log) as right_hash,
        lag(audit_id, 1, audit_id - 1) over (order by audit_id) as audit_id_before,
        lag(hash, 1, previous_hash) over (order by audit_id) as hash_before
    from audit_log
) as entries
where hash <> right_hash or previous_hash <> hash_before or audit_id_before <> audit_id - 1
order by audit_id
limit 1

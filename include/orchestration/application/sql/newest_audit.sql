select encode(hash, 'hex') as hash
from audit_log
order by audit_id desc
limit 1

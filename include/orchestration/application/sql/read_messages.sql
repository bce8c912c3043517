select outbox_id, version, message::text
from outbox
where outbox_id = any(%(ids)s)
order by outbox_id

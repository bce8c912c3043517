select count(*) as pending, count(*) filter (where greatest(known_at, due_at) < %(before)s) as overdue
from outbox
where sent_at is null and channel = any(%(channels)s)

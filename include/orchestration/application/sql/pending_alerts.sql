select count(*) as pending, count(*) filter (where first_seen_at < %(before)s) as overdue
from alerts
where notified_at is null

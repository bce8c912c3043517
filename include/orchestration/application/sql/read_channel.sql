select failures, failing_since, error, due_at, accepted_at, rows_at_once
from channels
where channel = %(channel)s

select silence_id, matcher, reason, author, begins_at, ends_at, ended_by
from silences
where silence_id = %(silence_id)s
for update

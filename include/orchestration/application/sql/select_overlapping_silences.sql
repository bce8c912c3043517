select silence_id, matcher, reason, author, begins_at, ends_at, ended_by
from silences
where begins_at < %(until)s and ends_at > %(since)s

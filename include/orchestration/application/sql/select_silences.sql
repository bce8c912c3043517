select silence_id, matcher, reason, author, begins_at, ends_at, ended_by
from silences
where %(in_force_at)s::timestamptz is null or (begins_at <= %(in_force_at)s and ends_at > %(in_force_at)s)
order by ends_at desc, silence_id desc
limit %(limit)s

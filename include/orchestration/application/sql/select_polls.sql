select interval_end, failed, bars, late, rejected
from batches
where stage = 'poll' and interval_end > %(since)s and interval_end <= %(until)s and ended_at > %(since)s

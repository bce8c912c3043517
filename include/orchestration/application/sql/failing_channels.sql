select channel, failing_since, error
from channels
where failing_since < %(before)s and channel = any(%(channels)s)
order by channel

select content, encode(sha256, 'hex') as sha256, kept_at
from evidence
where alert_id = %(alert_id)s

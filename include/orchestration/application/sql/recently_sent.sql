select
    count(*) filter (where kind = 'alert' and outcome = 'told') as told,
    max(sent_at) filter (where outcome = 'digest') as digest_at
from outbox
where channel = %(channel)s and sent_at > %(since)s

-- What waits to be sent.
select
    channel,
    count(*),
    extract(epoch from min(known_at))::double precision
from outbox
where sent_at is null
group by channel

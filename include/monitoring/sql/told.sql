-- Alerts of which people have been told since a moment: seconds from their publication, and from their bar's close.
-- What was published before the exporter began may be told anew, hours later. Bars of a day are found by the index.
select
    alert_id,
    notified_at,
    extract(epoch from notified_at - published_at)::double precision,
    extract(epoch from notified_at - bar_closed_at)::double precision
from alerts
where
    source = 'live' and bar_at >= now() - interval '2 days' and notified_at > %(since)s
    and published_at >= %(began)s and bar_closed_at is not null
    and notification not like 'not sent%%'
order by notified_at

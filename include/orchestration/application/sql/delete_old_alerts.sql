delete from alerts
where last_seen_at < %(before)s

delete from outbox
where known_at < %(before)s

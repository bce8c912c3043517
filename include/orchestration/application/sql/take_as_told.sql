-- What waited when it was copied was sent soon after.
update outbox
set sent_at = now(), outcome = 'restored'
where sent_at is null and known_at <= %(told_until)s

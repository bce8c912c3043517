update outbox
set sent_at = %(now)s, outcome = %(outcome)s
where outbox_id = any(%(ids)s) and sent_at is null

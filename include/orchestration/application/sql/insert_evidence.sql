insert into evidence (alert_id, sha256, content)
values (%(alert_id)s, %(sha256)s, %(content)s)
on conflict do nothing

insert into silences (matcher, reason, author, begins_at, ends_at)
values (%(matcher)s::json, %(reason)s, %(author)s, %(begins_at)s, %(ends_at)s)
returning silence_id

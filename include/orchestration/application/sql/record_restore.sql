insert into restores (copied_at, told_until) values (%(copied_at)s, %(told_until)s)

insert into requests (actor, key, digest)
values (%(actor)s, %(key)s, %(digest)s)

update requests
set status = %(status)s, answer = %(answer)s
where actor = %(actor)s and key = %(key)s

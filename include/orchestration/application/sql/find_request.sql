select digest, status, answer
from requests
where actor = %(actor)s and key = %(key)s

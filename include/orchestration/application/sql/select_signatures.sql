select encode(sha256, 'hex') as sha256, signed_by, signed_at, content
from report_signatures
where session_date = %(session)s
order by signed_at desc, sha256 desc

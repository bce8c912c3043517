select attachment_id, name, media_type, size, sha256, added_by, added_at
from attachments
where case_id = %(case_id)s
order by attachment_id

select name, media_type, content
from attachments
where case_id = %(case_id)s and attachment_id = %(attachment_id)s

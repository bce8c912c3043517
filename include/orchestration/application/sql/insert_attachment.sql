insert into attachments (case_id, name, media_type, size, sha256, content, added_by)
values (%(case_id)s, %(name)s, %(media_type)s, %(size)s, %(sha256)s, %(content)s, %(added_by)s)
returning attachment_id

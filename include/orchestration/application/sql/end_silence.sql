update silences
set ends_at = %(ends_at)s, ended_by = %(ended_by)s
where silence_id = %(silence_id)s

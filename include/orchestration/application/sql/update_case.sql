update cases
set
    (title, narrative, alerts, status, submitted_by, signed_by, version, changed_at) = (
        %(title)s, %(narrative)s, %(alerts)s, %(status)s, %(submitted_by)s, %(signed_by)s, %(version)s, now()
    )
where case_id = %(case_id)s

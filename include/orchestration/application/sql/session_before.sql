-- The parameters that the alerts of the newest session with any, before a date, were judged by.
select distinct record ->> 'parameters_version' as parameters_version
from alerts
where
    source = 'live' and incident is null
    and session_date = (
        select max(earlier.session_date)
        from alerts as earlier
        where
            earlier.source = 'live' and earlier.session_date <> ''
            and earlier.session_date < %(session)s
    )
    and record ->> 'parameters_version' <> ''

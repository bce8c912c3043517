update reviews
set
    (state, owner, reason, closed_by, signed_by, version, changed_at) = (
        changed.state, changed.owner, changed.reason, changed.closed_by, changed.signed_by, changed.version, now()
    )
from
    json_to_recordset(%(changed)s::json)
        as changed (
            alert_id text, state text, owner text, reason text, closed_by text, signed_by text, version integer
        )
where reviews.alert_id = changed.alert_id

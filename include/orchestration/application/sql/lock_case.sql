select title, narrative, alerts, status, opened_by, submitted_by, signed_by, version
from cases
where case_id = %(case_id)s
for update

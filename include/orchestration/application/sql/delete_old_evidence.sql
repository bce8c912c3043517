-- Evidence goes with its alert.
delete from evidence
where not exists (
    select from alerts
    where alerts.alert_id = evidence.alert_id
)

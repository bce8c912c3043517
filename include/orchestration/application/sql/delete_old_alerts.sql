-- What somebody has decided on or put into a case is kept with the decision.
delete from alerts
where
    last_seen_at < %(before)s
    and not exists (
        select from reviews
        where reviews.alert_id = alerts.alert_id
    )
    and not exists (
        select from cases
        where cases.alerts @> array[alerts.alert_id]
    )

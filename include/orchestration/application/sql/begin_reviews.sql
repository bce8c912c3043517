-- In the order of the ids, so that two who want the same alerts wait for each other and not in a circle.
insert into reviews (alert_id)
select alert_id from alerts
where alert_id = any(%(alert_ids)s)
order by alert_id
on conflict do nothing

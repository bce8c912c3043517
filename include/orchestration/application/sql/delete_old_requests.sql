delete from requests
where made_at < %(before)s

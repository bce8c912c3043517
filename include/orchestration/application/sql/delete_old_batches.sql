delete from batches
where ended_at < %(before)s

-- A symbol whose history does not come is not silent for ever.
select symbol from watchlist
where symbol is not null and coalesce(ready_at, 'infinity') > now() and listed_at > now() - %(longest)s::interval

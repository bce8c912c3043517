select symbol from watchlist
where symbol is not null and known and ready_at is null
order by symbol

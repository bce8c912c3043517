select count(*) from watchlist
where symbol is not null

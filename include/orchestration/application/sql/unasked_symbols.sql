select symbol from watchlist
where symbol is not null and known is null
order by symbol

-- A symbol whose history does not come is not silent for ever; one that nobody has asked for, because DAG
-- prepare_symbols is paused, not for long.
select symbol from watchlist
where
    symbol is not null
    and (
        ready_at > now()
        or (
            ready_at is null
            and listed_at > now() - case when known is null then interval '15 minutes' else %(longest)s::interval end
        )
    )

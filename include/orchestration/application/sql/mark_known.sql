-- A symbol that nobody knows has no history to wait for.
update watchlist
set
    known = symbol = any(%(known)s),
    ready_at = case when symbol = any(%(known)s) then ready_at else coalesce(ready_at, now()) end
where symbol = any(%(asked)s)

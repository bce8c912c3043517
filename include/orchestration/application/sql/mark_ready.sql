update watchlist set ready_at = %(ready_at)s
where symbol = any(%(symbols)s) and ready_at is null

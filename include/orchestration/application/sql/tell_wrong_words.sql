update watchlist
set told_at = now()
where told_at is null and (symbol is null or not known)
returning word, reason

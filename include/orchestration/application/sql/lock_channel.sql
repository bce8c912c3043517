-- Whoever does not answer for half a minute has lost the lock with its connection.
select
    set_config('tcp_keepalives_idle', '15', false),
    set_config('tcp_keepalives_interval', '5', false),
    set_config('tcp_keepalives_count', '3', false),
    pg_try_advisory_lock(hashtextextended('channel ' || %(channel)s, 0))

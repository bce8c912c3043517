-- Until the transaction ends. The number is ours alone in this database: others who migrate wait here, however long.
set local statement_timeout = 0;
set local lock_timeout = 0;
select pg_advisory_xact_lock(20200101)

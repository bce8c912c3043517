-- Rolls it back and gives up its locks, whether its session is still there or not; nothing when it has ended already.
select system$abort_transaction(%(transaction)s)

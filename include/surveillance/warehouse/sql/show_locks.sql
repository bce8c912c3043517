-- Of this user's sessions: the full names of tables that transactions have locked, and the transactions' numbers.
show locks

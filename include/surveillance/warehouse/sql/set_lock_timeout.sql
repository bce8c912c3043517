alter session set lock_timeout = 10

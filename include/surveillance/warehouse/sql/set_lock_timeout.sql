alter session set lock_timeout = %(seconds)s

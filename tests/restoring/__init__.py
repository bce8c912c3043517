"""The restore of an older copy, rehearsed on the whole local stack: ``python -m tests.restoring``."""

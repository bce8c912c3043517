"""The whole platform on one machine without Docker: ``python -m include.local_stack up``."""

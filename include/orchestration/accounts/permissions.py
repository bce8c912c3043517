"""The names of the permissions that are ours, not Airflow's."""

from __future__ import annotations

# The page's own resource: somebody may see Airflow without it, and the reverse.
PAGE = "Market surveillance"

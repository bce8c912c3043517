"""The names of the permissions that are ours, not Airflow's."""

from __future__ import annotations

# The page's own resource: somebody may see Airflow without it, and the reverse. Whoever reads it reads all of the desk.
PAGE = "Market surveillance"
# What may be written at the desk: decisions on alerts, silences, cases; and the signatures of a second person.
DECISIONS, SILENCES, CASES = "Surveillance decisions", "Surveillance silences", "Surveillance cases"
SIGNATURES = "Surveillance signatures"

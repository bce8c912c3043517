"""What maintain_platform deletes, in compressed time: its forms and settings keep far more than an hour's soak makes.

``python -m tests.soak.prune DAYS`` with the stack's variables.
"""

from __future__ import annotations

import sys

from include.orchestration import maintenance


def main(days: float) -> None:
    """Delete all that is older than so many days."""
    before = maintenance.days_ago(days)
    maintenance.clean_metadata(before, before)
    maintenance.rewrite_large_tables()
    maintenance.clean_logs(before, before)
    maintenance.clean_reports(before)
    maintenance.clean_application(before)
    maintenance.clean_raw(dict.fromkeys(maintenance.RAW_CLASSES, before))


if __name__ == "__main__":
    main(float(sys.argv[1]))

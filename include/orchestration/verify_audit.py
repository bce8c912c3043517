"""Say whether each row of the audit log is as it was written; name the first that is not.

``python -m include.orchestration.verify_audit``, with connection ``surveillance_db`` in the environment.
"""

from __future__ import annotations

import sys

from include.orchestration.application.audit import verify_audit
from include.surveillance.errors import SurveillanceError


def main() -> int:
    """Print one line; return the exit code."""
    try:
        print(f"audit_log: {verify_audit():,} rows, all as they were written")  # noqa: T201 - a command's output
    except SurveillanceError as error:
        print(f"audit_log: {error}", file=sys.stderr)  # noqa: T201 - likewise
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

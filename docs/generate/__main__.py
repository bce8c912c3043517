"""``make docs``: writes the pages and parts of pages that code can write, and says which it changed."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from include.surveillance.settings import Settings
from tests.paths import ROOT


def main() -> None:
    """Write the pages as they are for what is shipped."""
    for name in list(os.environ):
        # The pages describe what is shipped, not this machine's settings.
        if name.startswith(("AIRFLOW", "SNOWFLAKE_")) or name.lower() in Settings.__dataclass_fields__:
            del os.environ[name]
    with tempfile.TemporaryDirectory(prefix="docs-") as home:
        os.environ |= {"AIRFLOW_HOME": home, "AIRFLOW__CORE__LOAD_EXAMPLES": "False", "DO_NOT_TRACK": "1"}
        # Airflow reads its settings when it is imported.
        from docs.generate import pages

        pages.make_manifest(Path(home))
        for name, text in pages.stale().items():
            (ROOT / name).write_text(text)
            sys.stdout.write(f"written: {name}\n")


if __name__ == "__main__":
    main()

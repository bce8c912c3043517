"""``make env``: .env and airflow.env from their examples, every empty secret filled in. Standard library only."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from include.local_stack.credentials import GENERATORS, write_secret

ROOT = Path(__file__).resolve().parents[2]


def fill(text: str) -> str:
    """Return an env file's text with a generated value behind each secret's name that has none."""

    def generated(line: re.Match[str]) -> str:
        name = line[1]
        return f"{name}={GENERATORS[name]()}" if name in GENERATORS else line[0]

    return re.sub(r"^(\w+)=[ \t]*$", generated, text, flags=re.MULTILINE)


def main(root: Path = ROOT) -> None:
    """Write both files; existing ones keep their values."""
    for name in (".env", "airflow.env"):
        file = root / name
        text = (file if file.exists() else root / f"{name}.example").read_text()
        write_secret(file, fill(text))
        sys.stdout.write(f"{name}: ready\n")


if __name__ == "__main__":
    main()

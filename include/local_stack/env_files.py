"""``make env``: the env files from their examples, every empty secret filled in. Standard library only."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from include.local_stack.credentials import GENERATORS, write_secret

ROOT = Path(__file__).resolve().parents[2]
NAMED = re.compile(r"^(\w+)=(.*)$", re.MULTILINE)
# Without COMPOSE_FILE plain Compose would merge the Astro CLI's file, too.
NEEDED = {*GENERATORS, "COMPOSE_FILE"}


def fill(text: str) -> str:
    """Return an env file's text with a generated value behind each secret's name that has none."""

    def generated(line: re.Match[str]) -> str:
        name = line[1]
        return f"{name}={GENERATORS[name]()}" if name in GENERATORS else line[0]

    return re.sub(r"^(\w+)=[ \t]*$", generated, text, flags=re.MULTILINE)


def add_needed(text: str, example: str) -> str:
    """Return an env file's text with what the example has, Compose needs and an older file has not yet."""
    known = dict(NAMED.findall(text))
    missing = [line for line in NAMED.findall(example) if line[0] in NEEDED - known.keys()]
    return text + "".join(f"\n{name}={value}" for name, value in missing) + ("\n" if missing else "")


def main(root: Path = ROOT) -> None:
    """Write the files; existing ones keep their values, and get what they lack and Compose needs."""
    for name in (".env", "airflow.env", "channels.env", "watchdog.env"):
        file = root / name
        example = (root / f"{name}.example").read_text()
        write_secret(file, fill(add_needed(file.read_text(), example) if file.exists() else example))
        sys.stdout.write(f"{name}: ready\n")


if __name__ == "__main__":
    main()

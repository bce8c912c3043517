"""``make env``: the env files from their examples, every empty secret filled in. Standard library only."""

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


def add_secrets(text: str, example: str) -> str:
    """Return an env file's text with the secrets that the example has and an older file has not yet."""
    named = re.compile(r"^(\w+)=", re.MULTILINE)
    missing = [name for name in named.findall(example) if name in GENERATORS and name not in named.findall(text)]
    return text + "".join(f"\n{name}=" for name in missing) + ("\n" if missing else "")


def main(root: Path = ROOT) -> None:
    """Write the files; existing ones keep their values, and get the secrets that they lack."""
    for name in (".env", "airflow.env", "channels.env"):
        file = root / name
        example = (root / f"{name}.example").read_text()
        write_secret(file, fill(add_secrets(file.read_text(), example) if file.exists() else example))
        sys.stdout.write(f"{name}: ready\n")


if __name__ == "__main__":
    main()

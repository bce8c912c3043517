"""New passwords and keys in place of those that ``make env`` or the local stack has generated. Standard library only.

As a command it rotates the env file of Docker: ``python -m include.local_stack.rotation .env``.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from include.local_stack.credentials import GENERATORS, write_secret

# The cluster itself holds the administrator's password; it does not follow a file.
KEPT = {"POSTGRES_PASSWORD"}
# What was encrypted with an earlier key can be read until the next start has encrypted it anew.
EARLIER_KEYS = 4


def rotate(text: str, kept: set[str] = KEPT) -> str:
    """Return the text of an env file with a new value behind the name of every generated secret but those kept.

    FERNET_KEY keeps the earlier keys behind the new one.
    """

    def renew(line: re.Match[str]) -> str:
        name, value = line[1], line[2].strip().strip("'\"")
        if name not in GENERATORS or name in kept:
            return line[0]
        keys = [GENERATORS[name](), *(value.split(",") if name == "FERNET_KEY" and value else ())]
        return f"{name}={','.join(keys[: EARLIER_KEYS + 1])}"

    return re.sub(r"^(\w+)=(.*)$", renew, text, flags=re.MULTILINE)


def main(file: Path) -> None:
    """Rotate an env file and say what to do next."""
    write_secret(file, rotate(file.read_text()))
    names = ", ".join(sorted(GENERATORS.keys() - KEPT))
    sys.stdout.write(
        f"{file}: new {names}\n"
        "They hold once the containers are made anew: docker compose up -d\n"
        "POSTGRES_PASSWORD is kept; docs/operate/secrets.md says how to change it.\n"
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))

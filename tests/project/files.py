"""The files that no engine runs here, read the way Docker Compose reads them."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

from include.deployment import complete
from tests.paths import ROOT

# The innermost ${NAME}, ${NAME:-default}, ${NAME:?message} or ${NAME:+what stands for it}.
VARIABLE = re.compile(r"\$\{(?P<name>\w+)(?P<rule>:[-?+])?(?P<word>[^${}]*)\}")


def dotenv(path: Path) -> dict[str, str]:
    """The assignments of an env file."""
    lines = (line.strip() for line in path.read_text().splitlines())
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def variables(text: str) -> dict[str, set[str]]:
    """Each variable that a text interpolates, with the rules (``:-``, ``:?``, ``:+`` or none) of its uses."""
    rules: dict[str, set[str]] = {}
    for name, rule in re.findall(r"\$\{(\w+)(:[-?+])?", text.replace("$$", "")):
        rules.setdefault(name, set()).add(rule)
    return rules


def fill(text: str, environment: dict[str, str]) -> str:
    """A text with its variables filled in, nested ones too.

    Raises:
        LookupError: a variable without a default has no value.
        ValueError: a dollar belongs to none of these forms.
    """

    def value(match: re.Match) -> str:
        name, rule, word = match.groups()
        if rule == ":+":
            return word if environment.get(name) else ""
        if known := environment.get(name):
            return known
        if rule != ":-":
            raise LookupError(f"{name} is not set: {word}")
        return word

    text = text.replace("$$", "\0")
    while text != (filled := VARIABLE.sub(value, text)):
        text = filled
    if "$" in text:
        raise ValueError(f"cannot interpolate {text!r}")
    return text.replace("\0", "$")


def filled(node, environment: dict[str, str]):
    """A parsed Compose file with the variables of all its strings filled in."""
    if isinstance(node, dict):
        return {key: filled(item, environment) for key, item in node.items()}
    if isinstance(node, list):
        return [filled(item, environment) for item in node]
    return fill(node, environment) if isinstance(node, str) else node


def started(service: dict) -> dict:
    """A service with the command that ``include.deployment`` becomes, if it is used, and what that one finds."""
    command = service.get("command")
    if first := service.get("entrypoint"):
        command = [*first, *command]
    words = command.split() if isinstance(command, str) else command or []
    if words[:3] != ["python", "-m", "include.deployment"]:
        return service
    command = " ".join(words[3:]) if isinstance(command, str) else command[3:]
    given = {name: str(value) for name, value in service["environment"].items()}
    return {**service, "command": command, "environment": complete(given)}


def strings(node) -> Iterator[str]:
    """Every string in a parsed document, keys too."""
    if isinstance(node, dict):
        for key, item in node.items():
            yield from strings(key)
            yield from strings(item)
    elif isinstance(node, list):
        for item in node:
            yield from strings(item)
    elif isinstance(node, str):
        yield node


def kept_files() -> list[Path]:
    """What is committed or would be by `git add`: neither ignored files nor deleted ones."""
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    output = subprocess.run(listing, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [path for name in output.split("\0") if name and (path := ROOT / name).is_file()]

"""Python's texts as Markdown: docstrings, tables, and pages whose marked parts are replaced."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Mapping, Sequence

BEGIN, END = "<!-- begin {} -->", "<!-- end {} -->"
MARKED = re.compile(r"<!-- begin (?P<name>[\w ]+) -->\n(?P<text>.*?)<!-- end (?P=name) -->", re.DOTALL)
HEADER = "<!-- Written by `make docs` from the rule, the parameters as shipped and docs/measured. -->"


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a Markdown table; a cell's bars and line breaks cannot end it."""
    lines = [head, ["---"] * len(head), *rows]
    cells = [[" ".join(str(cell).replace("|", "\\|").split()) for cell in line] for line in lines]
    return "\n".join(f"| {' | '.join(line)} |".replace("|  |", "| |") for line in cells)


def filled(page: str, parts: Mapping[str, Callable[[], str]]) -> str:
    """Replace each marked part of a page by what the function of its name returns.

    Raises:
        KeyError: nothing writes a part of that name.
    """

    def replaced(match: re.Match[str]) -> str:
        name = match["name"]
        return f"{BEGIN.format(name)}\n{parts[name]()}\n{END.format(name)}"

    return MARKED.sub(replaced, page)


def sections(docstring: str | None) -> tuple[str, dict[str, str]]:
    """Split a docstring into its text and what ``Attributes`` or ``Args`` says of each name."""
    text, _, names = inspect.cleandoc(docstring or "").partition("\nAttributes:\n")
    meanings: dict[str, str] = {}
    name = ""
    for line in names.splitlines():
        if match := re.fullmatch(r" {4}(\w+(?:, \w+)*): (.*)", line):
            name = match[1]
            meanings[name] = match[2]
        elif name:
            meanings[name] = f"{meanings[name]} {line.strip()}".strip()
    return text.strip(), meanings


def first_sentence(docstring: str | None) -> str:
    """Return the first paragraph of a docstring, on one line, without its full stop."""
    paragraph = inspect.cleandoc(docstring or "").partition("\n\n")[0]
    return code(" ".join(paragraph.split())).removesuffix(".")


def code(text: str) -> str:
    """Turn a docstring's double backticks into Markdown's."""
    return text.replace("``", "`")


def value(default: object) -> str:
    """Write a default as a reader would."""
    if isinstance(default, dict):
        return ", ".join(f"{name} {value(one)}" for name, one in default.items())
    if isinstance(default, tuple | list):
        return ",".join(map(str, default)) or "none"
    return f"{default:g}" if isinstance(default, float) else str(default)

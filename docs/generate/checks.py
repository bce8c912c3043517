"""The messages of ``check_quality``, as the checks' source has them."""

from __future__ import annotations

import ast
import inspect
import re
import textwrap

from docs.generate.markdown import first_sentence
from include.orchestration import quality

CHECKS = ("feeds", "detection", "landing", "notification", "rejects", "missing_minutes")


def check(name: str) -> str:
    """Say what a check counts and what its failures say; three dots stand for what is filled in."""
    source = inspect.getsource(getattr(quality, name))
    messages = [
        _template(node.exc.args[0])
        for node in ast.walk(ast.parse(textwrap.dedent(source)))
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call)
    ]
    said = "\n".join(f"> {message}" for message in messages if message.strip("… "))
    return f"{first_sentence(getattr(quality, name).__doc__)}.\n\n{said}".strip()


def _template(node: ast.expr) -> str:
    """The text of a message, with dots for what is not constant."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    parts = node.values if isinstance(node, ast.JoinedStr) else []
    text = "".join(str(part.value) if isinstance(part, ast.Constant) else "…" for part in parts)
    return re.sub(r"…(?:[ ]?…)+", "…", text)

"""The messages of ``check_quality``, as the checks' source has them."""

from __future__ import annotations

import ast
import inspect

from docs.generate.dags import dags
from docs.generate.markdown import first_sentence
from include.orchestration import quality

CHECKS = tuple(name.removeprefix("check_") for name in vars(quality) if name.startswith("check_"))


def check(name: str) -> str:
    """Say what a check counts and what its failures say; three dots stand for what is filled in."""
    messages = [
        f"> {_template(node.exc.args[0])}"
        for node in ast.walk(ast.parse(inspect.getsource(getattr(quality, f"check_{name}"))))
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call)
    ]
    if name == "missing_minutes":
        messages = [f"> {what} of … symbols (…) between … and …; {then}" for what, then in quality.FAULTS.values()]
    task = dags()["check_quality"].get_task(name)
    return "\n\n".join([f"{first_sentence(task.python_callable.__doc__)}.", *messages])


def _template(node: ast.expr) -> str:
    """The text of a message, with dots for what is not constant."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    parts = node.values if isinstance(node, ast.JoinedStr) else []
    return "".join(str(part.value) if isinstance(part, ast.Constant) else "…" for part in parts)

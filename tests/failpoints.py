"""Arms fail points: the next process that reaches an armed one dies or hangs there."""

from __future__ import annotations

from pathlib import Path

from include.surveillance.failpoints import POINTS


def arm(folder: Path, point: str, what: str = "die") -> None:
    if point not in POINTS:
        raise ValueError(f"{point!r} is no fail point; there are {', '.join(POINTS)}")
    (folder / point).write_text(what)


def is_armed(folder: Path, point: str) -> bool:
    """Say whether nobody has come to the point since it was armed."""
    return (folder / point).exists()

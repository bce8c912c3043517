"""Arms fail points: the next process that reaches an armed one dies there."""

from __future__ import annotations

from pathlib import Path

from include.surveillance.failpoints import POINTS


def arm(folder: Path, point: str) -> None:
    if point not in POINTS:
        raise ValueError(f"{point!r} is no fail point; there are {', '.join(POINTS)}")
    (folder / point).touch()


def is_armed(folder: Path, point: str) -> bool:
    """Say whether nobody has died at the point since it was armed."""
    return (folder / point).exists()

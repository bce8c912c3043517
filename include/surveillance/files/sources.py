"""Finds the files that a path means: itself, those that a pattern fits, or all of a folder."""

from __future__ import annotations

from pathlib import Path

from include.surveillance.errors import ConfigurationError

SUFFIXES = (".csv", ".txt", ".tsv", ".parquet", ".pq")
PACKED_SUFFIXES = (".gz", ".bz2", ".zst")
_PATTERN = frozenset("*?[")


def find_files(path: Path) -> tuple[list[Path], list[Path]]:
    """Return the files of bars in the order of their names, and those of a folder that are none by their names.

    Args:
        path: a file, a folder, of which all folders below are searched, or a pattern such as ``2024-01-*.csv.gz``.

    Raises:
        ConfigurationError: there is no such file.
    """
    if path.is_dir():
        below = sorted(it for it in path.rglob("*") if it.is_file() and not _is_hidden(it.relative_to(path)))
        files = [it for it in below if _is_table(it)]
        if not files:
            names = ", ".join(suffix for suffix in SUFFIXES)
            raise ConfigurationError(f"{path} has no file of bars; their names end in {names}, packed or not")
        return files, [it for it in below if not _is_table(it)]
    if path.exists() or not _PATTERN & {*str(path)}:
        return [path], []
    root = Path(path.anchor or ".")
    files = sorted(it for it in root.glob(str(path.relative_to(path.anchor))) if it.is_file())
    if not files:
        raise ConfigurationError(f"no file fits {path}")
    return files, []


def _is_table(path: Path) -> bool:
    name = path.name.lower()
    packed = next((suffix for suffix in PACKED_SUFFIXES if name.endswith(suffix)), "")
    return name.removesuffix(packed).endswith(SUFFIXES)


def _is_hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)

"""The browser's libraries, which the project carries with it: ``python -m tests.vendor`` fetches them from npm again.

Each is the file that npm has, unchanged. ``vendor.lock`` says of every version its licence, npm's own SHA-512 of the
package, and the SHA-256 of each file, so that a test needs no network to find a changed one.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import NamedTuple

from tests.paths import ROOT

SHIPPED = ROOT / "include" / "orchestration" / "page" / "web" / "vendor"
TESTED = ROOT / "tests" / "orchestration" / "page" / "vendor"
LOCK = ROOT / "tests" / "vendor.lock"


class Library(NamedTuple):
    """One package of npm: its licence, the folder that it goes into, and the files of it that are wanted."""

    name: str
    licence: str
    folder: Path
    files: tuple[str, ...]


LIBRARIES = (
    Library("htm@3.1.1", "Apache-2.0", SHIPPED, ("dist/htm.module.js", "LICENSE")),
    Library("react@18.3.1", "MIT", SHIPPED, ("umd/react.production.min.js", "LICENSE")),
    Library("react-dom@18.3.1", "MIT", SHIPPED, ("umd/react-dom.production.min.js", "LICENSE")),
    Library(
        "lightweight-charts@5.2.1",
        "Apache-2.0",
        SHIPPED,
        ("dist/lightweight-charts.standalone.production.mjs", "LICENSE"),
    ),
    Library("axe-core@4.14.1", "MPL-2.0", TESTED, ("axe.min.js", "LICENSE")),
)


def fetch(library: Library, known: str | None) -> dict[str, object]:
    """Copy a package's files to where they are kept; return its line of the lock.

    Args:
        known: npm's hash of this version, from the lock; None: it is new.

    Raises:
        SystemExit: npm has another package under this version now.
    """
    with tempfile.TemporaryDirectory() as folder:
        command = ["npm", "pack", library.name, "--json", "--ignore-scripts", "--pack-destination", folder]
        (said,) = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        package = (Path(folder) / said["filename"]).read_bytes()
    integrity = f"sha512-{base64.b64encode(hashlib.sha512(package).digest()).decode()}"
    if integrity != said["integrity"] or known not in (None, integrity):
        sys.exit(f"{library.name} is not the package that the lock names")
    place = library.folder / library.name
    place.mkdir(parents=True, exist_ok=True)
    files = {}
    with tarfile.open(fileobj=io.BytesIO(package)) as archive:
        for path in library.files:
            member = archive.extractfile(f"package/{path}")
            assert member is not None, path
            content = member.read()
            target = place / Path(path).name
            target.write_bytes(content)
            files[target.relative_to(ROOT).as_posix()] = hashlib.sha256(content).hexdigest()
    return {"licence": library.licence, "integrity": integrity, "files": files}


def read_lock() -> dict[str, dict[str, object]]:
    """Read what each package was when it was fetched, by name and version."""
    lock: dict[str, dict[str, object]] = json.loads(LOCK.read_text()) if LOCK.exists() else {}
    return lock


def main() -> None:
    """Fetch every library and write the lock."""
    before = read_lock()
    lock = {it.name: fetch(it, before.get(it.name, {}).get("integrity")) for it in LIBRARIES}  # type: ignore[arg-type]
    LOCK.write_text(json.dumps(lock, indent=2) + "\n")


if __name__ == "__main__":
    main()

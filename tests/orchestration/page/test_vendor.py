"""The browser's libraries are the files that npm has: nobody has changed one, and none has come without a line."""

from __future__ import annotations

import hashlib
import re

from include.orchestration.page import app
from tests.licences import ALLOWED
from tests.paths import ROOT
from tests.vendor import LIBRARIES, SHIPPED, TESTED, read_lock

# What a script or a page says that it loads.
LOADS = r"""(?:from|import|src=|href=|LIBRARY =) ?"(?:\./|web/)?([^":]+\.(?:js|mjs|css))\""""


def test_each_file_is_the_one_that_was_fetched_and_has_a_line():
    locked = {path: digest for library in read_lock().values() for path, digest in library["files"].items()}
    kept = [path for folder in (SHIPPED, TESTED) for path in folder.rglob("*") if path.is_file()]
    assert {path.relative_to(ROOT).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in kept} == locked


def test_each_library_is_locked_with_a_licence_that_is_allowed():
    lock = read_lock()
    assert set(lock) == {library.name for library in LIBRARIES}
    for library in LIBRARIES:
        assert library.licence in ALLOWED
        assert (library.folder / library.name / "LICENSE").is_file()


def test_the_desk_loads_only_files_that_are_there():
    asked = set()
    for name, path in app.FILES.items():
        if not name.startswith(app.VENDORED) and path.suffix in (".js", ".html"):
            asked.update(re.findall(LOADS, path.read_text()))
    assert asked
    assert asked <= set(app.FILES)


def test_what_is_tested_with_is_not_shipped():
    assert not [name for name in app.FILES if "axe" in name]

"""requirements.txt names what the code imports; requirements.lock pins all of it."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.paths import ROOT

CODE = ("dags", "include", "plugins")
OWN = {"include", *CODE}
# A virtualenv of its own.
FEATURE_STORE = ROOT / "include" / "feature_store"


def requirements(path: Path) -> list[Requirement]:
    whole = path.read_text().replace("\\\n", " ")
    lines = (re.split("#|--hash", line)[0].strip() for line in whole.splitlines())
    return [Requirement(line) for line in lines if line]


def pins(path: Path) -> dict[str, str]:
    """Distribution -> its one exact version.

    Raises:
        AssertionError: a requirement is not pinned by a single ``==``.
    """
    versions = {}
    for requirement in requirements(path):
        (specifier,) = requirement.specifier or [None]
        assert specifier is not None, f"{requirement} has no version"
        assert specifier.operator == "==", f"{requirement} is not pinned"
        assert "*" not in specifier.version, f"{requirement} is not one version"
        versions[canonicalize_name(requirement.name)] = specifier.version
    return versions


def imports(path: Path) -> Iterator[str]:
    """The modules that a file imports absolutely, in functions too."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module


def third_party() -> dict[str, set[str]]:
    """Module -> the files that import it, but for the feature store's."""
    importers: dict[str, set[str]] = {}
    for folder in CODE:
        for path in sorted((ROOT / folder).rglob("*.py")):
            for module in imports(path) if path.parent != FEATURE_STORE else ():
                if module.split(".")[0] not in OWN | set(sys.stdlib_module_names):
                    importers.setdefault(module, set()).add(path.relative_to(ROOT).as_posix())
    return importers


def distributions_of(module: str, known: dict[str, list[str]]) -> set[str]:
    """The distributions that may bring a module; Airflow's providers share one top-level package."""
    parts = module.split(".")
    if parts[:2] == ["airflow", "providers"]:
        return {f"apache-airflow-providers-{'-'.join(parts[2:end])}" for end in (3, 4)}
    if parts[0] == "airflow":
        return {"apache-airflow"}
    return {canonicalize_name(name) for name in known.get(parts[0], [])}


@pytest.fixture(scope="module")
def direct() -> dict[str, str]:
    return pins(ROOT / "requirements.txt")


@pytest.fixture(scope="module")
def locked() -> dict[str, str]:
    return pins(ROOT / "requirements.lock")


def test_every_import_is_a_direct_requirement(direct):
    known = packages_distributions()
    used = third_party()
    assert len(used) > 20, "the scan saw hardly any import; it looks in the wrong folders"
    missing = {
        module: sorted(files) for module, files in used.items() if not distributions_of(module, known) & set(direct)
    }
    assert not missing, f"imported, but not in requirements.txt: {missing}"


def test_every_direct_requirement_has_the_same_version_in_the_lock(direct, locked):
    wanted = pins(ROOT / "tests" / "requirements.txt")
    tests = pins(ROOT / "tests" / "requirements.lock")
    for both, lock in ((direct, locked), (direct | wanted, tests)):
        assert both
        different = {name: (version, lock.get(name)) for name, version in both.items() if lock.get(name) != version}
        assert not different, f"wanted and locked differ, run `make lock`: {different}"


def test_tests_run_with_the_versions_that_run(locked):
    tests = pins(ROOT / "tests" / "requirements.lock")
    assert {name: tests.get(name) for name in locked} == locked


def test_what_only_tests_need_is_not_in_the_image(locked):
    assert not {"pytest", "hypothesis", "ruff", "mypy", "sqlfluff", "import-linter"} & set(locked)


def test_the_feature_store_has_requirements_and_a_lock_of_its_own():
    direct, locked = (pins(FEATURE_STORE / f"requirements.{kind}") for kind in ("txt", "lock"))
    assert {name: locked.get(name) for name in direct} == direct
    used = {module.split(".")[0] for path in FEATURE_STORE.glob("*.py") for module in imports(path)}
    assert used - OWN - set(sys.stdlib_module_names) == {"feast", "pandas"} <= set(direct)


@pytest.mark.parametrize(
    ("lock", "least"),
    [("requirements.lock", 200), ("tests/requirements.lock", 200), ("include/feature_store/requirements.lock", 50)],
)
def test_every_pin_has_its_hashes(lock, least):
    entries = re.split(r"^(?=[a-z0-9])", (ROOT / lock).read_text(), flags=re.MULTILINE | re.IGNORECASE)[1:]
    assert len(entries) > least
    without = [entry.split()[0] for entry in entries if not re.search(r"--hash=sha256:[0-9a-f]{64}\b", entry)]
    assert not without


def test_installers_are_pinned_too():
    makefile = (ROOT / "Makefile").read_text()
    assert re.search(r"^UV := \d+\.\d+\.\d+$", makefile, re.MULTILINE)
    assert "pip install --quiet uv==$(UV)" in makefile
    tools = re.findall(r"--from (\S+)", makefile)
    assert tools
    assert all(re.fullmatch(r"[a-z-]+==[\d.]+", tool) for tool in tools)


def test_the_lock_reaches_below_the_direct_requirements(direct, locked):
    assert len(locked) > 2 * len(direct)


def test_every_group_says_why_it_is_there():
    groups = (ROOT / "requirements.txt").read_text().strip().split("\n\n")
    assert len(groups) > 3
    for group in groups:
        assert group.startswith("# "), f"a group without a comment: {group.splitlines()[0]}"


def test_no_requirement_needs_a_private_index_or_a_local_path():
    for path in (*ROOT.glob("requirements.*"), *(ROOT / "tests").glob("requirements.*")):
        assert not re.search(r"^\s*(-(?!-hash)|\.|.*://)", re.sub(r"#.*", "", path.read_text()), re.MULTILINE), (
            path.name
        )

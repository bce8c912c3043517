"""The pages hold: what is generated is current, every link leads somewhere, every name exists."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest

from tests.airflow_home import airflow_database as airflow_database  # before anything that imports Airflow
from tests.dags.conftest import manifest as manifest
from tests.paths import ROOT
from tests.project.files import kept_files

DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted(DOCS.rglob("*.md"))]
# The changelog names what is no more.
CURRENT = [page for page in PAGES if page.name != "CHANGELOG.md"]
FOLDERS = ("include/", "dags/", "plugins/", "dbt_project/", "tests/", "docs/", ".ci/")


def name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


@cache
def prose(page: Path) -> str:
    """A page without its blocks of code."""
    return re.sub(r"^```.*?^```", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)


def spans(page: Path) -> set[str]:
    """What stands between backticks."""
    return set(re.findall(r"`([^`\n]+)`", prose(page)))


def links(page: Path) -> list[str]:
    """Where the page's links and pictures lead, but to the web."""
    every = re.findall(r"\]\(([^)\s]+)\)", prose(page))
    return [link for link in every if not re.match(r"\w+://", link)]


def target(page: Path, link: str) -> Path:
    path = link.partition("#")[0]
    return (page.parent / path).resolve() if path else page


@cache
def anchors(page: Path) -> set[str]:
    """The names by which a page's headings can be linked to."""
    headings = re.findall(r"^#+ (.*)$", prose(page), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@cache
def words() -> set[str]:
    """Every word of the project's own files, pages left out, and the metrics, whose names are put together."""
    from docs.generate import monitoring

    texts = [path.read_text(errors="ignore") for path in kept_files() if path.suffix not in {".md", ".png", ".json"}]
    metrics = (monitoring.metric_table(), monitoring.airflow_table())
    return {word for text in (*texts, *metrics) for word in re.findall(r"[A-Za-z_]\w*", text)}


def test_what_is_generated_is_current():
    from docs.generate import pages

    assert list(pages.stale()) == [], "run make docs"


def test_everything_that_can_be_generated_is_on_a_page():
    from docs.generate import pages

    marked = {part for page in PAGES for part in re.findall(r"<!-- begin ([\w ]+) -->", page.read_text())}
    assert marked == set(pages.PARTS)


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_text().splitlines()) <= 125


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_link_leads_somewhere(page):
    for link in links(page):
        end, anchor = target(page, link), link.partition("#")[2]
        assert end.exists(), f"{name(page)}: {link} leads nowhere"
        assert not anchor or anchor in anchors(end), f"{name(page)}: {link}: there is no such heading"


def test_every_page_can_be_reached_from_the_readme():
    reached, waiting = set(), [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        if page not in reached and page.suffix == ".md":
            reached.add(page)
            waiting += [target(page, link) for link in links(page)]
    assert set(PAGES) - reached == set()


@pytest.mark.parametrize("page", CURRENT, ids=name)
def test_every_make_target_exists(page):
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    used = set(re.findall(r"(?:^|`)make ([a-z-]+)", page.read_text(), flags=re.MULTILINE))
    assert used <= targets


def test_the_makefile_and_the_pages_name_the_same_targets():
    helped = set(re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    named = {target for page in CURRENT for target in re.findall(r"make ([a-z-]+)", page.read_text())}
    assert helped - named == {"fernet"}


@pytest.mark.parametrize("page", CURRENT, ids=name)
def test_every_path_exists(page):
    for span in spans(page):
        path, _, inside = span.partition("::")
        if path.startswith(FOLDERS) and " " not in path and "..." not in path:
            # What a make target writes need not be there yet.
            there = (ROOT / path).exists() or f"writes {path}" in (ROOT / "Makefile").read_text()
            assert there, f"{name(page)}: {path}"
            assert not inside or re.search(rf"\b(def|class) {inside}\b", (ROOT / path).read_text()), span


@pytest.mark.parametrize("page", CURRENT, ids=name)
def test_every_module_exists(page):
    for span in spans(page):
        for module in re.findall(r"\b(?:include|tests|docs)(?:\.[a-z_]\w*)+", span):
            path = ROOT / module.replace(".", "/")
            exists = path.is_dir() or path.with_suffix(".py").exists() or path.parent.with_suffix(".py").exists()
            assert exists or (ROOT / span).exists(), f"{name(page)}: {module}"


@pytest.mark.parametrize("page", CURRENT, ids=name)
def test_every_setting_and_every_other_name_is_in_the_code(page):
    said = (span for span in spans(page) if not span.startswith(FOLDERS))
    names = {word for span in said for word in re.findall(r"\b[A-Za-z]\w*_\w+\b", span)}
    assert {word for word in names if word not in words() and word.lower() not in words()} == set()

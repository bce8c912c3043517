"""A copy that is not whole, was changed, or is of a newer version is refused before anything is restored."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
import pytest

from tests.airflow_home import HOME as _HOME  # noqa: F401 - before Airflow reads its settings

# isort: split
from include.orchestration.backup import manifest
from include.orchestration.backup.manifest import Manifest, check_versions, digest_key, list_files, read_manifest
from include.surveillance.errors import ConfigurationError
from include.surveillance.live.copies import LogCopy, Stored
from include.surveillance.places import Place, TopicIdentity
from include.surveillance.warehouse.copies import RawCopy

NOW = datetime(2026, 3, 9, 14, tzinfo=UTC)
LOG = LogCopy(
    {"polygon.bars.raw": TopicIdentity("an id", 2)},
    {"polygon.bars.raw": [3, 0]},
    [Stored("detector", "polygon.bars.raw", 1, Place(7, "an id", 2, 5))],
)


@pytest.fixture(autouse=True)
def _platform(monkeypatch):
    monkeypatch.setenv("KAFKA_PARTITIONS", "2")
    monkeypatch.setenv(manifest.FERNET_KEY, "new,old")


@pytest.fixture
def copy(tmp_path):
    """A folder with two files and their manifest."""
    (tmp_path / "kafka").mkdir()
    for name in ("a.dump", "kafka/b.parquet"):
        (tmp_path / name).write_text(name)
    written = Manifest(
        begun_at=NOW,
        ended_at=NOW,
        fernet_key=digest_key("old"),
        application=[1, 2],
        raw=[1],
        log=LOG,
        warehouse=RawCopy({"RAW_BARS": 5}, [("polygon.bars.raw", 1, Place(7, "an id"))], NOW),
        files=list_files(tmp_path),
    )
    written.write(tmp_path)
    return tmp_path, written


def change(copy, **changes) -> Manifest:
    return msgspec.structs.replace(copy[1], **changes)


def test_a_manifest_is_read_as_it_was_written(copy):
    folder, written = copy
    assert read_manifest(folder) == written
    check_versions(written)


@pytest.mark.parametrize("do", [lambda file: file.unlink(), lambda file: file.write_text("other")])
def test_a_file_that_is_missing_or_another_one_is_named(copy, do):
    folder, _ = copy
    do(folder / "kafka" / "b.parquet")
    with pytest.raises(ConfigurationError, match=r"kafka/b.parquet is not what was copied"):
        read_manifest(folder)


def test_a_copy_without_a_manifest_is_none(tmp_path):
    with pytest.raises(ConfigurationError, match=r"holds no whole copy: manifest.json is missing"):
        read_manifest(tmp_path)


@pytest.mark.parametrize("text", ["", "{", "{}", '{"format": 1}', "[]"])
def test_a_manifest_that_cannot_be_read_is_one_clear_line(copy, text):
    folder, _ = copy
    (folder / manifest.FILE).write_text(text)
    with pytest.raises(ConfigurationError, match=r"manifest.json cannot be read"):
        read_manifest(folder)


def test_a_later_format_is_refused(copy):
    folder, written = copy
    change(copy, format=2).write(folder)
    with pytest.raises(ConfigurationError, match="has format 2, this code reads 1"):
        read_manifest(folder)
    assert written.format == 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"airflow": "99.0.0"}, r"the copy is of Airflow 99.0.0"),
        ({"application": [1, 9999]}, r"the copy of the application's database has schema version 9999"),
        ({"raw": [9999]}, r"the copy of schema RAW has schema version 9999"),
        ({"log": LogCopy(LOG.topics, {"polygon.bars.raw": [3, 0, 0]}, [])}, r"set KAFKA_PARTITIONS=3"),
        ({"fernet_key": digest_key("lost")}, r"encrypted with another Fernet key"),
    ],
)
def test_what_cannot_be_restored_here_is_refused(copy, changes, message):
    with pytest.raises(ConfigurationError, match=message):
        check_versions(change(copy, **changes))


def test_the_manifest_does_not_say_the_key(copy):
    folder, _ = copy
    assert '"old"' not in (folder / manifest.FILE).read_text()
    assert digest_key("old") != digest_key("new")


def test_an_older_airflow_is_restored(copy):
    check_versions(change(copy, airflow="3.0.0", application=[], raw=None))

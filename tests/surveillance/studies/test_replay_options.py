"""What a replay ran with stands beside its alerts, and whoever looks at one need say only what is to differ."""

from __future__ import annotations

from pathlib import Path

import pytest

from include.surveillance.detection.parameters.book import ParameterBook
from include.surveillance.errors import ConfigurationError
from include.surveillance.files.bar_rows import Reading
from include.surveillance.studies.replay_options import NAME, ReplayOptions


def given(bars: Path | None = None, *, rules=None, **reading) -> ReplayOptions:
    said = {"rules": rules, "history": None, "session_reset": None, "calendar": None}
    return ReplayOptions.given({"bars": bars}, Reading(**reading), **said)


def test_what_was_not_said_is_that_of_the_replay(tmp_path):
    given(tmp_path / "bars.csv", rules="literal", symbol="KO").write(tmp_path, ParameterBook.default())
    again = given(symbol="PEP").completed(tmp_path / "alerts.parquet")
    assert (again.symbol, again.calendar) == ("PEP", "XNYS")
    files = again.files()
    assert (files.bars, files.reading.symbol, files.news) == (tmp_path / "bars.csv", "PEP", None)


def test_the_form_is_the_one_that_alerted(tmp_path):
    book = ParameterBook.default()
    given(tmp_path / "bars.csv").write(tmp_path, book)
    assert given().completed(tmp_path / "alerts.parquet").rules == book.base.alerting_form


def test_paths_hold_in_any_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    given(Path("bars.csv")).write(tmp_path, ParameterBook.default())
    monkeypatch.chdir("/")
    assert given().completed(tmp_path / "alerts.parquet").files().bars == tmp_path / "bars.csv"


def test_without_a_replay_the_bars_must_be_said(tmp_path):
    with pytest.raises(ConfigurationError, match="give --bars"):
        given().completed(tmp_path / "alerts.parquet").files()


def test_what_cannot_be_read_is_an_error(tmp_path):
    (tmp_path / NAME).write_text("{")
    with pytest.raises(ConfigurationError, match="replay the bars again"):
        given().completed(tmp_path / "alerts.parquet")

"""A small recording, the same with rows of every bad kind, and its alerts."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.surveillance.cli.recordings import hostile, recording, run


@pytest.fixture(scope="module")
def bars(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("recording") / "bars.parquet"
    recording().to_parquet(path)
    return path


@pytest.fixture(scope="module")
def hostile_bars(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("hostile") / "bars.csv"
    hostile().to_csv(path, index=False)
    return path


@pytest.fixture(scope="module")
def replayed(bars, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("replayed")
    assert run("replay", bars=bars, rules="literal", out=out).exit_code == 0
    return out / "alerts.parquet"

"""The feature store's virtualenv is made once for each lock, and asked for only when it is there."""

from __future__ import annotations

import sys
from hashlib import sha256

import pytest

from include.local_stack import feature_store
from include.local_stack.errors import StackError


def test_one_that_is_as_the_lock_has_it_is_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(feature_store, "_run", lambda *command: pytest.fail(f"made anew: {command}"))
    wanted = f"{sys.version} {sha256(feature_store.LOCK.read_bytes()).hexdigest()}"
    (tmp_path / feature_store.MADE_OF).write_text(wanted)
    assert feature_store.ensure_virtualenv(tmp_path) == tmp_path / "bin" / "python"


def test_one_that_could_not_be_made_is_no_virtualenv_the_next_time_either(tmp_path, monkeypatch):
    lock = tmp_path / "requirements.lock"
    lock.write_text("no package ==")
    monkeypatch.setattr(feature_store, "LOCK", lock)
    for _ in range(2):
        with pytest.raises(StackError, match=r"uv pip sync .* ended with \d+: .*correct it and start again"):
            feature_store.ensure_virtualenv(tmp_path / "venv")


def test_who_asks_for_features_without_a_store_is_told_how_to_make_it(tmp_path):
    with pytest.raises(StackError, match="start the stack with FEATURES=1"):
        feature_store.show_features({"FEATURES_PYTHON": str(tmp_path / "none")}, "redis://:x@h:1", [])

"""Secrets and market of a copy: put where the stack looks for them, and nothing of another stack is overwritten."""

from __future__ import annotations

import stat

import pytest

from include.local_stack import backup
from include.local_stack.errors import StackError
from include.local_stack.market import FILE, Market
from include.local_stack.stack import SECRETS


@pytest.fixture
def ran(stack, monkeypatch):
    """A stack with data, of which the copying itself is somebody else's."""
    Market().store(stack.state)
    calls = []

    def run(_, command, folder, *options):
        calls.append((command, *options))
        if command == "make":
            (stack.state.parent / "copy").mkdir()

    monkeypatch.setattr(backup, "_run", run)
    monkeypatch.setattr(stack.supervisor, "is_running", lambda: True)
    yield stack, calls
    monkeypatch.undo()


def test_the_secrets_go_into_a_file_of_their_own_and_only_if_wanted(ran, tmp_path):
    stack, _ = ran
    backup.back_up(stack, tmp_path / "copy", tmp_path / "safe" / "secrets")
    assert (tmp_path / "safe" / "secrets").read_text() == (stack.state / SECRETS).read_text()
    assert stat.S_IMODE((tmp_path / "safe" / "secrets").stat().st_mode) == 0o600
    assert [file.name for file in (tmp_path / "copy").iterdir()] == [FILE]


def test_a_file_of_secrets_is_not_overwritten(ran, tmp_path):
    stack, calls = ran
    (tmp_path / "mine").write_text("of another stack")
    with pytest.raises(StackError, match="is there already"):
        backup.back_up(stack, tmp_path / "copy", tmp_path / "mine")
    assert calls == []


def test_a_stack_without_data_is_not_copied(stack, tmp_path):
    with pytest.raises(StackError, match="holds no data yet"):
        backup.back_up(stack, tmp_path / "copy", None)


def restore(folder, copy, secrets):
    def open_stack():
        raise LookupError("the stack is opened")

    backup.restore(open_stack, folder, copy, secrets)


@pytest.mark.parametrize("there", ["nothing", "the same"])
def test_an_empty_state_folder_takes_secrets_and_market_of_the_copy(tmp_path, there):
    copy, secrets, state = tmp_path / "copy", tmp_path / "secrets", tmp_path / "state"
    copy.mkdir()
    Market("replay", "bars.parquet", 5).store(copy)
    secrets.write_text("FERNET_KEY=a\n")
    if there == "the same":
        state.mkdir()
        (state / SECRETS).write_text(secrets.read_text())
    with pytest.raises(LookupError):
        restore(state, copy, secrets)
    assert (state / SECRETS).read_text() == "FERNET_KEY=a\n"
    assert stat.S_IMODE((state / SECRETS).stat().st_mode) == 0o600
    assert Market.stored(state) == Market("replay", "bars.parquet", 5)


def test_a_state_folder_of_another_stack_is_left_alone(tmp_path):
    copy, secrets, state = tmp_path / "copy", tmp_path / "secrets", tmp_path / "state"
    copy.mkdir()
    state.mkdir()
    secrets.write_text("FERNET_KEY=a\n")
    (state / SECRETS).write_text("FERNET_KEY=b\n")
    with pytest.raises(StackError, match=r"is another one than .*restore into an empty state folder"):
        restore(state, copy, secrets)
    assert (state / SECRETS).read_text() == "FERNET_KEY=b\n"


def test_without_the_secrets_of_the_copy_nothing_is_begun(tmp_path):
    with pytest.raises(StackError, match=r"secrets.env does not exist: .+SECRETS=file"):
        restore(tmp_path / "state", tmp_path, None)
    assert not (tmp_path / "state").exists()


def test_a_failed_copy_is_told(stack, tmp_path, capfd):
    stack.environment["AIRFLOW_CONN_KAFKA_DEFAULT"] = "{}"
    with pytest.raises(StackError, match=r"check of .+ failed; the lines above say why"):
        backup._run(stack, "check", str(tmp_path))
    assert "holds no whole copy" in capfd.readouterr().err

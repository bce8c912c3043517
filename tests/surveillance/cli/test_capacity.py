"""The command ``capacity``."""

from tests.surveillance.cli.recordings import run


def test_the_command_shows_once_ten_and_a_hundred_times():
    shown = run("capacity", symbols=110, cores=4)
    assert shown.exit_code == 0
    assert all(text in shown.output for text in ("110 symbols", "1,100 symbols", "11,000 symbols", "POLL_BY=market"))
    assert run("capacity", by="hand").exit_code == 2

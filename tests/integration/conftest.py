"""A warehouse for the tests that land."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.embedded_warehouse.launcher import Launcher


@pytest.fixture(scope="module")
def launcher(tmp_path_factory) -> Iterator[Launcher]:
    """A warehouse that soon gives up what a killed client has left open."""
    running = Launcher(tmp_path_factory.mktemp("warehouse"), "--idle-transaction", "2").start()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REQUESTS_CA_BUNDLE", str(running.bundle))
        yield running
    running.stop()

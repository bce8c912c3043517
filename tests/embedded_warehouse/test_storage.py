"""What lies on the disk survives; what is kept in memory has a limit."""

from __future__ import annotations

import signal

import pytest
import snowflake.connector.errors as snowflake_errors

from include.embedded_warehouse.storage import RecentResults

pytestmark = pytest.mark.embedded


def test_what_was_committed_survives_a_kill(own, run):
    session = own.connect()
    run(session, "create table kept (x int) comment = 'kept'")
    run(session, "create stage inbox")
    run(session, "insert into kept values (1)")
    run(session, "create temporary table passing (x int)")
    run(session, "begin")
    run(session, "insert into kept values (2)")
    own.stop(signal.SIGKILL)
    own.start()
    again = own.connect()
    assert run(again, "select * from kept") == [(1,)]
    tables = run(again, "select table_name, comment from information_schema.tables where table_schema = 'RAW'")
    assert tables == [("KEPT", "kept")]
    run(again, "list @inbox")
    with pytest.raises(snowflake_errors.Error):
        run(session, "commit")


def test_only_the_newest_results_are_kept():
    results = RecentResults(size=3)
    for number in range(10):
        results[str(number)] = number
    assert list(results.values()) == [7, 8, 9]
    results["7"] = 70
    assert len(results) == 3

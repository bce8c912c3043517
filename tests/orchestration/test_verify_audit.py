"""What ``make audit-verify`` says of an audit log that is whole and of one that is not."""

from __future__ import annotations

import pytest

from include.orchestration.application.audit import Act, record_acts
from include.orchestration.application.database import migrate_database
from include.orchestration.verify_audit import main
from tests.orchestration.conftest import transaction


@pytest.fixture
def log(empty_database):
    migrate_database()
    with transaction() as cursor:
        record_acts(cursor, [Act("nina", "note", "alert", "a", details=f"note {number}") for number in range(1, 6)])


def test_a_whole_log_is_counted(log, capsys):
    assert main() == 0
    assert "5 rows" in capsys.readouterr().out


def test_a_row_that_was_changed_by_sql_is_named(log, capsys):
    with transaction() as cursor:
        cursor.execute("alter table audit_log disable trigger refuse_to_change_audit")
        cursor.execute("update audit_log set details = 'note 33' where details = 'note 3'")
    assert main() == 1
    assert "row 3 of table audit_log" in capsys.readouterr().err

"""Grants, as dbt needs them."""

import pytest
from snowflake.connector import DictCursor


def test_a_grant_is_shown_until_it_is_revoked(session, run):
    """As dbt writes and reads it."""

    def granted() -> list[str]:
        rows = session.cursor(DictCursor).execute("show grants on owned /* dbt */").fetchall()
        return [row["grantee_name"] for row in rows if (row["privilege"], row["granted_to"]) == ("SELECT", "ROLE")]

    run(session, "create table owned (x int)")
    assert granted() == []
    for grant in ("grant select on owned to public\n/* dbt */;", "grant select on table owned to role public"):
        run(session, grant)
        assert granted() == ["PUBLIC"]
        run(session, 'revoke select on owned from "PUBLIC";')
        assert granted() == []


@pytest.mark.embedded
def test_what_is_granted_in_another_way_is_accepted(session, run):
    run(session, "create table owned (x int)")
    run(session, "grant usage on database market to role public")
    run(session, "grant role public to user tester")
    assert run(session, "show grants to role public") == []

"""MERGE is one atomic statement."""

import pytest
from snowflake.connector.errors import ProgrammingError

UPSERT = (
    "merge into stock t using arrivals s on t.id = s.id "
    "when matched and s.qty = 0 then delete "
    "when matched then update set t.qty = t.qty + s.qty "
    "when not matched then insert (id, qty) values (s.id, s.qty)"
)


@pytest.fixture(autouse=True)
def _tables(session, run):
    run(session, "create table stock (id int, qty int)")
    run(session, "create table arrivals (id int, qty int)")
    run(session, "insert into stock values (1, 10), (2, 20)")
    run(session, "insert into arrivals values (1, 0), (2, 5), (3, 7)")


def test_it_updates_deletes_and_inserts_and_counts_each(session, run):
    cursor = session.cursor().execute(UPSERT)
    names = [column.name for column in cursor.description]
    counts = dict(zip(names, cursor.fetchone(), strict=True))
    assert counts == {"number of rows inserted": 1, "number of rows updated": 1, "number of rows deleted": 1}
    assert cursor.rowcount == 3
    assert run(session, "select * from stock order by id") == [(2, 25), (3, 7)]


def test_it_takes_part_in_a_transaction(session, run):
    run(session, "begin")
    run(session, UPSERT)
    run(session, "rollback")
    assert run(session, "select * from stock order by id") == [(1, 10), (2, 20)]


def test_a_source_with_the_same_key_twice_is_refused_whole(session, run):
    run(session, "insert into arrivals values (2, 6)")
    with pytest.raises(ProgrammingError):
        run(session, UPSERT)
    assert run(session, "select * from stock order by id") == [(1, 10), (2, 20)]


def test_its_source_may_be_a_temporary_table(session, run):
    run(session, "create temporary table more as select 1 as id, 4 as qty")
    run(session, "merge into stock using more on stock.id = more.id when matched then update set qty = more.qty")
    assert run(session, "select qty from stock where id = 1") == [(4,)]


def test_it_begins_a_transaction_without_autocommit(connect, run):
    manual, other = connect(autocommit=False), connect()
    run(manual, UPSERT)
    assert run(other, "select count(*) from stock where id = 3") == [(0,)]
    manual.commit()
    assert run(other, "select count(*) from stock where id = 3") == [(1,)]

"""The chain: as it was written it holds; any change of any row is found, and the row is named."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import assume, given
from hypothesis import strategies as st

from include.surveillance.desk.chain import Entry, find_break, hash_entry

TEXTS = st.none() | st.text(max_size=20)
TIMES = st.datetimes(datetime(1969, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - bounds
FIELDS = {
    "occurred_at": TIMES,
    "exported_at": TIMES,
    "event": st.text(min_size=1, max_size=20),
    "log_id": st.none() | st.integers(0, 2**63 - 1),
    "map_index": st.none() | st.integers(-1, 2**31 - 1),
    **dict.fromkeys(("actor", "dag_id", "run_id", "task_id", "details", "object_id", "before", "after"), TEXTS),
    "object_kind": st.none() | st.sampled_from(["alert", "case"]),
}
# Of an act of Airflow's these are not hashed: nobody wrote them.
OF_THE_DESK = {"object_id", "before", "after"}
CHAINS = st.tuples(st.lists(st.fixed_dictionaries(FIELDS), min_size=1, max_size=6), st.integers(1, 1_000)).map(
    lambda drawn: link(*drawn)
)


def link(rows, first):
    chain, previous = [], b""
    for number, row in enumerate(rows, start=first):
        fields = row if row["object_kind"] else row | dict.fromkeys(OF_THE_DESK)
        entry = Entry(audit_id=number, previous_hash=previous, hash=b"", **fields)
        chain.append(entry._replace(hash=hash_entry(entry)))
        previous = chain[-1].hash
    return chain


@given(CHAINS)
def test_what_was_written_holds(chain):
    assert find_break(chain) is None
    assert find_break(iter(chain)) is None


@given(CHAINS, st.data())
def test_whatever_was_changed_is_named(chain, data):
    place = data.draw(st.integers(0, len(chain) - 1))
    field = data.draw(st.sampled_from(sorted(FIELDS)))
    value = data.draw(FIELDS[field])
    changed = chain[place]._replace(**{field: value})
    assume(changed != chain[place])
    assume(changed.object_kind or field not in OF_THE_DESK)
    assert find_break([*chain[:place], changed, *chain[place + 1 :]]) == changed


@given(CHAINS, st.data())
def test_whoever_hashes_his_change_anew_is_found_at_the_next_row(chain, data):
    place = data.draw(st.integers(0, len(chain) - 1))
    changed = chain[place]._replace(actor=data.draw(TEXTS.filter(lambda it: it != chain[place].actor)))
    changed = changed._replace(hash=hash_entry(changed))
    following = chain[place + 1 :]
    assert find_break([*chain[:place], changed, *following]) == (following[0] if following else None)


@given(CHAINS, st.data())
def test_a_row_that_is_gone_is_missed_where_it_was(chain, data):
    place = data.draw(st.integers(0, len(chain) - 1))
    left = [*chain[:place], *chain[place + 1 :]]
    # The oldest go when they are old enough; that the newest are gone only a hash kept elsewhere can show.
    assert find_break(left) == (None if place in (0, len(chain) - 1) else left[place])


@given(CHAINS.filter(lambda chain: len(chain) > 1))
def test_rows_that_changed_places_are_found(chain):
    for first, second in pairwise(range(len(chain))):
        swapped = list(chain)
        swapped[first], swapped[second] = chain[second], chain[first]
        assert find_break(swapped) is not None


def test_nothing_is_whole():
    assert find_break([]) is None


def test_an_act_of_airflows_has_the_hash_that_it_had_before_there_was_a_desk():
    at = datetime(2026, 3, 9, 14, 30, 0, 5, tzinfo=UTC)
    act = Entry(3, at, at + timedelta(days=1), 'say "é"\n', b"\x01", b"", log_id=7, actor="nina")
    text = '[3, 7, 1773066600.000005, "say \\"é\\"\\n", "nina", null, null, null, null, null, 1773153000.000005]'
    assert hash_entry(act) == hashlib.sha256(b"\x01" + text.encode()).digest()

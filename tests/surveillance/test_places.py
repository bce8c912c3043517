"""What is said of a break: what happened, to which topic, and which messages it concerns."""

from __future__ import annotations

import pytest

from include.surveillance.places import Break, Cause, Place

STORED = Place(100, "former", 4, 2)


@pytest.mark.parametrize(
    ("cause", "resume", "expected"),
    [
        (Cause.MADE_ANEW, Place(0, "new", 4), "topic bars was made anew; offset 100 was of the former one"),
        (
            Cause.TAIL_LOST,
            STORED._replace(offset=40),
            "topic bars has lost messages that were consumed: of partition 3 those from 40 to 100",
        ),
        (Cause.PARTITIONS_ADDED, STORED._replace(partitions=8), "topic bars had 4 partitions and has 8 now"),
    ],
)
def test_a_break_is_described_by_its_cause(cause, resume, expected):
    assert Break("bars", 3, cause, STORED, resume).describe() == expected


def test_a_place_knows_its_log():
    assert STORED.identity == ("former", 4)
    assert Place(7).identity == ("", 0)

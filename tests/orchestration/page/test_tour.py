"""The tour of the desk, on the API server of the tests."""

from __future__ import annotations

import time

from tests.desk import password_of
from tests.orchestration.conftest import alert, store
from tests.orchestration.page.conftest import MINUTE_MS
from tests.tour import PARTS, Person, Tour


def test_every_step_of_the_tour_is_seen_and_kept_as_a_picture(server, chromium, seeded, desk, tmp_path):
    at = int(time.time() * 1000) // MINUTE_MS * MINUTE_MS - 5 * MINUTE_MS
    times = {"ts_ms": at, "bar_close_ms": at + MINUTE_MS, "episode_start_ms": at}
    store([alert("FEED", rule="feed_freshness", explanation="No bar of FEED for 12 minutes, 5 are allowed", **times)])
    people = {part: Person(role.lower(), password_of(role)) for part, role in PARTS.items()}
    said = []
    Tour(server, people, chromium, tmp_path, said.append).run()
    assert len(said) == 9, said
    pictures = sorted(tmp_path.iterdir())
    assert len(pictures) == 8
    assert all(picture.stat().st_size < 150_000 for picture in pictures)
    assert desk("select count(*) from reviews where state = 'closed'") == [(1,)]
    assert desk("select status, cardinality(alerts) from cases") == [("handed over", 3)]
    assert desk("select count(*) from silences where ended_by is null") == [(0,)]

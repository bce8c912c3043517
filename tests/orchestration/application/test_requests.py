"""What is asked for with a key is stored once for each person, whoever asks again."""

from __future__ import annotations

from include.orchestration.application.requests import Asked, find_answer, keep_answer, record_request


def test_a_request_is_stored_the_first_time_alone(desk):
    desk("truncate requests")
    asked = Asked("nina", "a key", b"digest")
    assert [record_request(asked), record_request(asked), record_request(asked._replace(digest=b"other"))] == [
        True,
        False,
        False,
    ]
    assert record_request(asked._replace(actor="omar"))
    assert find_answer("nina", "a key") == (b"digest", None, None)
    keep_answer(asked, 200, "done")
    assert find_answer("nina", "a key") == (b"digest", 200, "done")
    assert find_answer("nina", "another") is None

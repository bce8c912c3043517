"""What turns Python's texts into Markdown."""

from __future__ import annotations

import pytest

from docs.generate import markdown

DOCSTRING = """A bar is late.

    Example: ``ts_ms`` is earlier.

    Attributes:
        window: previous bars
            in the mean.
        last_ms, last_id: of the latest bar.
    """


def test_a_docstring_is_a_text_and_what_it_says_of_each_name():
    text, meanings = markdown.sections(DOCSTRING)
    assert text == "A bar is late.\n\nExample: ``ts_ms`` is earlier."
    assert meanings == {"window": "previous bars in the mean.", "last_ms, last_id": "of the latest bar."}
    assert markdown.first_sentence(DOCSTRING) == "A bar is late"
    assert markdown.sections(None) == ("", {})


def test_a_cell_cannot_end_its_table():
    assert markdown.table(("a", "b"), [("float | None", "one\ntwo"), ("", 3)]) == (
        "| a | b |\n| --- | --- |\n| float \\| None | one two |\n| | 3 |"
    )


def test_only_marked_parts_are_replaced():
    page = (
        "before\n<!-- begin one -->\nold\n<!-- end one -->\nbetween\n<!-- begin two words -->\n<!-- end two words -->\n"
    )
    parts = {"one": lambda: "1", "two words": lambda: "2\n2"}
    once = markdown.filled(page, parts)
    assert once == (
        "before\n<!-- begin one -->\n1\n<!-- end one -->\nbetween\n"
        "<!-- begin two words -->\n2\n2\n<!-- end two words -->\n"
    )
    assert markdown.filled(once, parts) == once


def test_a_part_that_nothing_writes_is_an_error():
    with pytest.raises(KeyError, match="three"):
        markdown.filled("<!-- begin three -->\n<!-- end three -->", {})


@pytest.mark.parametrize(
    ("default", "text"),
    [
        (3.0, "3"),
        (0.005, "0.005"),
        (("minute", "day"), "minute,day"),
        ((), "none"),
        ({"minute": 15.0}, "minute 15"),
        (True, "True"),
    ],
)
def test_defaults_read_as_a_reader_would_write_them(default, text):
    assert markdown.value(default) == text

"""Two sets of parameters over the same bars: what only one of them raises."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.surveillance.detection.parameters.book import ParameterBook
from include.surveillance.studies.comparison import compare_books, compare_episodes, group_episodes
from include.surveillance.studies.recorded import RecordedFiles
from include.surveillance.timespans import MINUTE_MS
from tests.surveillance.cli.recordings import recording

OPEN = 1_550_154_600_000


def fired(*rows: tuple[str, int, int]) -> pd.DataFrame:
    return group_episodes(
        pd.DataFrame(
            [
                {
                    "symbol": symbol,
                    "timespan": "minute",
                    "rule": "gap",
                    "direction": "up",
                    "ts_ms": OPEN + at * MINUTE_MS,
                    "episode_start_ms": OPEN + start * MINUTE_MS,
                    "form": "literal",
                    "value": float(at),
                    "threshold": 1.0,
                }
                for symbol, at, start in rows
            ],
            columns=[
                "symbol",
                "timespan",
                "rule",
                "direction",
                "ts_ms",
                "episode_start_ms",
                "form",
                "value",
                "threshold",
            ],
        )
    )


def test_what_only_one_raises():
    a = fired(("A", 0, 0), ("A", 5, 0), ("A", 100, 100), ("B", 0, 0))
    b = fired(("A", 20, 20), ("A", 200, 200), ("C", 0, 0))
    comparison = compare_episodes(a, b, cooldown_bars=15, symbol_days=({("gap", "literal"): 4}, {}))
    assert comparison.only_a[["symbol", "start_ms"]].to_numpy().tolist() == [["B", OPEN], ["A", OPEN + 100 * MINUTE_MS]]
    assert comparison.only_b["symbol"].tolist() == ["C", "A"]
    row = comparison.rules.iloc[0]
    assert (row["alerts_a"], row["alerts_b"], row["per_day_a"], row["only_a"], row["only_b"]) == (3, 3, 0.75, 2, 2)
    assert a.iloc[0][["firings", "value"]].tolist() == [2, 0.0]


def test_nothing_is_nothing():
    nothing = fired()
    comparison = compare_episodes(nothing, nothing, cooldown_bars=15, symbol_days=({}, {}))
    assert (len(comparison.rules), len(comparison.only_a)) == (0, 0)


EPISODES = st.lists(st.tuples(st.sampled_from("AB"), st.integers(0, 60), st.integers(0, 12)), max_size=12)


@given(EPISODES, EPISODES, st.integers(0, 15))
def test_only_one_has_what_no_episode_of_the_other_comes_near(ours, theirs, cooldown):
    """Pair by pair; episodes of one symbol that start together are one."""

    def table(episodes):
        longest = {}
        for symbol, start, length in episodes:
            longest[symbol, start] = max(length, longest.get((symbol, start), 0))
        rows = [(symbol, at, start) for (symbol, start), length in longest.items() for at in (start, start + length)]
        return fired(*rows), {(symbol, start): start + length for (symbol, start), length in longest.items()}

    (a, own), (b, others) = table(ours), table(theirs)
    comparison = compare_episodes(a, b, cooldown_bars=cooldown, symbol_days=({}, {}))
    alone = {
        (symbol, start)
        for (symbol, start), last in own.items()
        if not any(
            symbol == other and start <= other_last + cooldown and other_start <= last + cooldown
            for (other, other_start), other_last in others.items()
        )
    }
    starts = (comparison.only_a["start_ms"] - OPEN) // MINUTE_MS
    assert set(zip(comparison.only_a["symbol"], starts, strict=True)) == alone


@pytest.fixture(scope="module")
def bars(tmp_path_factory) -> RecordedFiles:
    path = tmp_path_factory.mktemp("bars") / "bars.parquet"
    recording(2).to_parquet(path)
    return RecordedFiles(path)


def compare(bars: RecordedFiles, out: Path, *books: ParameterBook):
    return compare_books(bars, books, out, names=("a.yaml", "b.yaml"), calendar="XNYS")


def test_a_book_against_itself_has_nothing_of_its_own(bars, tmp_path):
    book = ParameterBook.default().replaced(alerting_form="literal")
    comparison = compare(bars, tmp_path, book, book)
    assert (comparison.rules["alerts_a"] == comparison.rules["alerts_b"]).all()
    assert comparison.rules["alerts_a"].sum() > 0
    assert len(comparison.only_a) == len(comparison.only_b) == 0
    report = (tmp_path / "whatif.md").read_text()
    assert "A is `a.yaml`, B is `b.yaml`. 1,560 bars, 2019-02-13 to 2019-02-14. 4 symbol-days." in report
    assert report.count("Nothing.") == 2
    assert "No entry of the base." in report


def test_the_report_says_what_differs_and_what_of_that_can_have_no_effect(bars, tmp_path):
    (tmp_path / "b.yaml").write_text("base: {cooldown_bars: 3, abnormal_volume: {multiple: 9.0}}")
    compare(bars, tmp_path, ParameterBook.default(), ParameterBook.load(tmp_path / "b.yaml"))
    report = (tmp_path / "whatif.md").read_text()
    assert "| abnormal_volume.multiple | 3.0 | 9.0 | none: abnormal_volume alerts in its robust form |" in report
    assert "| cooldown_bars | 15 | 3 |  |" in report
    assert "What no rule judged cannot differ:" in report
    assert "- a.yaml: " in report


def test_what_only_one_book_raises_is_written_beside_the_report(bars, tmp_path):
    (tmp_path / "strict.yaml").write_text("base: {rules: literal, abnormal_volume: {multiple: 1000}}")
    strict, loose = (
        ParameterBook.load(tmp_path / "strict.yaml"),
        ParameterBook.default().replaced(alerting_form="literal"),
    )
    comparison = compare(bars, tmp_path, strict, loose)
    assert set(comparison.only_b["rule"]) == {"abnormal_volume"}
    assert len(comparison.only_a) == 0
    written = pd.read_parquet(tmp_path / "only_b.parquet")
    pd.testing.assert_frame_equal(written, comparison.only_b.reset_index(drop=True))
    row = comparison.rules.set_index("rule").loc["abnormal_volume"]
    assert (row["alerts_a"], row["alerts_b"], row["only_b"]) == (0, len(written), len(written))

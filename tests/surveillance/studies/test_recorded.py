"""Recorded files, read once for every study, and what is told of rows that cannot be used."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from include.surveillance import wire
from include.surveillance.detection.parameters.book import ParameterBook
from include.surveillance.detection.profiles.schedule import walk_forward
from include.surveillance.errors import ConfigurationError
from include.surveillance.sessions import Sessions
from include.surveillance.studies.recorded import RecordedFiles, read_profiles, read_recording, read_usable
from include.surveillance.validity import HINTS, UNKNOWN_TIMESPAN
from tests.surveillance.cli.recordings import COLUMNS, OPEN, hostile, recording

SESSIONS = Sessions()


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> RecordedFiles:
    """Five sessions of two symbols, with one usable and one unusable row in each file beside the bars."""
    folder = tmp_path_factory.mktemp("recorded")
    recording().to_parquet(folder / "bars.parquet")
    rows = {
        "news": (
            "symbol,article_id,published_ms,title,sentiment",
            f"KO,a,{OPEN},Recall,negative",
            "KO,b,soon,Recall,negative",
        ),
        "splits": ("ticker,execution_date,split_from,split_to", "KO,2019-02-12,1,2", "KO,2019-02-12,1,0"),
        "dividends": ("ticker,ex_dividend_date,cash_amount", "KO,2019-02-13,0.4", "KO,someday,0.4"),
        "ticker_changes": ("ticker,new_ticker,date", "FB,META,2022-06-09", "FB,META,2022-06-31"),
    }
    for name, lines in rows.items():
        (folder / f"{name}.csv").write_text("\n".join(lines))
    return RecordedFiles(folder / "bars.parquet", **{name: folder / f"{name}.csv" for name in rows})


def read(files: RecordedFiles, *, with_profiles: bool = False):
    return read_recording(files, SESSIONS, with_profiles=with_profiles)


def test_every_file_is_read_and_its_unusable_rows_are_set_aside(files):
    recorded = read(files)
    assert len(recorded.bars) == recorded.counts["rows"] == 2 * 5 * 390
    assert [item.article_id for item in recorded.news] == ["a"]
    actions = recorded.actions
    assert [(split.symbol, split.split_to) for split in actions.splits] == [("KO", 2.0)]
    assert [dividend.cash_amount for dividend in actions.dividends] == [0.4]
    assert [change.new_symbol for change in actions.ticker_changes] == ["META"]
    paths = [files.bars, files.news, files.ticker_changes, files.splits, files.dividends]
    assert [(path, unusable.num_rows) for path, unusable in recorded.rejects] == list(
        zip(paths, (0, 1, 1, 1, 1), strict=True)
    )


def test_without_a_file_of_profiles_they_are_those_of_the_nightly_build(files, tmp_path):
    assert read(files).profiles == []
    built = read(files, with_profiles=True).profiles
    recorded = read(files)
    assert built == walk_forward(recorded.bars, SESSIONS, recorded.actions)
    assert built, "five sessions are enough for some"
    path = tmp_path / "profiles.jsonl"
    path.write_bytes(b"\n\n".join(map(wire.encode, built[:1])) + b"\n")
    given = RecordedFiles(files.bars, profiles=path)
    assert read(given, with_profiles=True).profiles == read_profiles(path) == built[:1]
    assert read(given).profiles == [], "literal rules need none"


def test_stages_are_reported(files):
    stages = []
    read_recording(files, SESSIONS, with_profiles=True, progress=lambda stage, done, total: stages.append(stage))
    assert stages[0] == "read"
    assert set(stages[1:]) == {"read MB", "profiles"}


def test_the_format_of_a_file_and_the_order_of_its_rows_do_not_matter(files, tmp_path):
    shuffled = recording().sample(frac=1, random_state=3)
    shuffled.to_csv(tmp_path / "bars.csv", index=False)
    one, other = read(files).bars, read(RecordedFiles(tmp_path / "bars.csv")).bars
    assert one.keys == other.keys
    for name in ("code", "ts", "open", "high", "low", "close", "volume", "revision"):
        assert (getattr(one, name) == getattr(other, name)).all(), name


def test_all_bars_are_evaluated_in_one_pass(files):
    recorded = read(files)
    evaluation = recorded.evaluate(ParameterBook.default().replaced(alerting_form="literal"))
    assert len(evaluation.bars) == len(recorded.bars)
    bursts = evaluation.fresh_firings
    assert OPEN + 200 * 60_000 in set(evaluation.scan.bars.ts[bursts.index])


def usable(bars: Path) -> tuple[list[str], object]:
    lines: list[str] = []

    def ignore(stage: str, done: int, total: int) -> None:
        pass

    try:
        return lines, read_usable(
            RecordedFiles(bars), SESSIONS, with_profiles=False, tell=lines.append, progress=ignore
        )
    except ConfigurationError as error:
        return lines, error


def test_rows_left_out_are_told_by_reason_with_their_number(tmp_path):
    hostile().to_csv(tmp_path / "bars.csv", index=False)
    lines, recorded = usable(tmp_path / "bars.csv")
    assert len(recorded.bars) == 780
    reasons = [line.split(": ")[2] for line in lines]
    assert reasons == sorted(set(reasons))
    assert f"{tmp_path / 'bars.csv'}: 1 rows left out: price not positive" in lines
    assert sum(int(line.split(": ")[1].split()[0]) for line in lines) == len(recorded.rejects[0][1]) == 11


def test_a_recording_without_a_usable_bar_is_an_error_that_comes_after_the_reasons(tmp_path):
    pd.DataFrame([["KO", "week", OPEN, 1, 1, 1, 1, 1]], columns=COLUMNS).to_parquet(tmp_path / "bars.parquet")
    lines, error = usable(tmp_path / "bars.parquet")
    assert lines == [f"{tmp_path / 'bars.parquet'}: 1 rows left out: unknown timespan ({HINTS[UNKNOWN_TIMESPAN]})"]
    assert "holds no usable bar: unknown timespan (1 rows); `replay` writes the reason" in str(error)


@pytest.mark.parametrize("content", [None, b"no JSON", b'{"kind":"profile","symbol":5}'])
def test_profiles_that_cannot_be_read_say_what_writes_them(content, tmp_path):
    if content is not None:
        (tmp_path / "profiles.jsonl").write_bytes(content)
    with pytest.raises(ConfigurationError, match=r"profiles .* cannot be read: .*; write them with `baselines`"):
        read_profiles(tmp_path / "profiles.jsonl")


def day_file(path: Path, stamps: list[str], closes: list[float]) -> Path:
    ts = pd.to_datetime(stamps, utc=True).as_unit("ms").asi8
    prices = dict.fromkeys(("open", "high", "low", "close"), closes)
    pd.DataFrame({"symbol": "KO", "timespan": "day", "ts_ms": ts, **prices, "volume": 1000}).to_parquet(path)
    return path


@pytest.mark.parametrize(
    ("stamps", "said"),
    [
        (["2019-02-11", "2019-02-12", "2019-02-13"], "midnight UTC"),
        (["2019-02-11T14:30", "2019-02-12T14:30", "2019-02-13T14:30"], "the open of their session"),
        (["2019-02-11T21:00", "2019-02-12T21:00", "2019-02-13T21:00"], "the close of their session"),
        (["2019-02-11T05:00", "2019-02-12T05:00", "2019-02-13T05:00"], None),
    ],
)
def test_a_split_is_no_gap_of_day_bars_however_they_are_stamped(tmp_path, stamps, said):
    path = day_file(tmp_path / "bars.parquet", stamps, [50.0, 25.0, 25.1])
    splits = tmp_path / "splits.csv"
    splits.write_text("ticker,execution_date,split_from,split_to\nKO,2019-02-12,1,2\n")
    recorded = read(RecordedFiles(path, splits=splits))
    assert [said in note for note in recorded.notes if "stamped" in note] == ([True] if said else [])
    evaluation = recorded.evaluate(ParameterBook.default())
    assert abs(evaluation.measures["gap"][1:]).max() < 0.01
    assert [evaluation.scan.session_date(at) for at in range(3)] == ["2019-02-11", "2019-02-12", "2019-02-13"]


def test_bars_of_which_the_calendar_knows_no_session_are_set_aside_with_its_range(tmp_path):
    path = day_file(tmp_path / "bars.parquet", ["2026-12-01T05:00", "2031-12-02T05:00"], [50.0, 51.0])
    recorded = read_recording(RecordedFiles(path), Sessions("XSHG"), with_profiles=False)
    assert len(recorded.bars) == 1
    (reason,) = recorded.rejects[0][1]["reason"].to_pylist()
    assert reason == "outside the calendar: calendar XSHG knows the sessions from 1990-12-03 to 2026-12-31"

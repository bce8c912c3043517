"""What a replay writes, against the records that live detection would make of the same bars."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from msgspec import structs

from include.surveillance.detection.alert_records import build_alert
from include.surveillance.detection.log_pass import detect_records
from include.surveillance.detection.metric_records import build_metrics
from include.surveillance.detection.parameters.book import ParameterBook
from include.surveillance.detection.state import State
from include.surveillance.errors import ConfigurationError
from include.surveillance.records import Bar
from include.surveillance.sessions import Sessions
from include.surveillance.studies.recorded import RecordedFiles, read_recording
from include.surveillance.studies.replay import LITERAL_COLUMNS, Replay, replay_files
from tests.surveillance.cli.recordings import OPEN, recording

SESSIONS = Sessions()
FORMS = ("literal", "robust")
NAMES = ("alerts", "metrics", "rejected")
PUBLISHED = ("symbol", "ts_ms", "rule", "direction", "form", "status", "firings", "value", "threshold", "score")


def book(form) -> ParameterBook:
    return ParameterBook.default().replaced(alerting_form=form)


def replay(bars: Path, out: Path, form: str, **files: Path) -> Replay:
    return replay_files(RecordedFiles(bars, **files), out, sessions=SESSIONS, book=book(form))


@pytest.fixture(scope="module")
def bars(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("bars") / "bars.parquet"
    recording().to_parquet(path)
    return path


@pytest.fixture(scope="module")
def replayed(bars, tmp_path_factory) -> dict[str, tuple[Path, Replay]]:
    """Form -> the folder of a replay and its result."""
    folders = {form: tmp_path_factory.mktemp(form) for form in FORMS}
    return {form: (out, replay(bars, out, form)) for form, out in folders.items()}


def rows(out: Path, name: str) -> list[dict]:
    return pq.read_table(out / f"{name}.parquet").to_pylist()


def evaluated(bars: Path, form: str):
    recorded = read_recording(RecordedFiles(bars), SESSIONS, with_profiles=form == "robust")
    return recorded.engine(book(form)), recorded.evaluate(book(form))


def test_a_literal_row_has_the_values_of_the_alert_that_would_be_published(bars, replayed):
    out, _ = replayed["literal"]
    engine, evaluation = evaluated(bars, "literal")
    firings = evaluation.fresh_firings
    alerts = [build_alert(engine, evaluation, firings, f) for f in range(len(firings))]
    expected = [{name: getattr(alert, name) for name in LITERAL_COLUMNS} for alert in alerts]
    assert rows(out, "alerts") == expected
    assert [alert.event_id for alert in alerts] == [alert.identity() for alert in alerts]


def test_a_robust_replay_writes_alerts_whole(replayed):
    out, result = replayed["robust"]
    alerts = rows(out, "alerts")
    assert {alert["form"] for alert in alerts} == {"robust"}
    assert min(alert["session_date"] for alert in alerts) > "2019-02-08", "the first session has no profile yet"
    assert all(alert["event_ids"] for alert in alerts)
    assert [alert["bar_close_ms"] for alert in alerts] == sorted(alert["bar_close_ms"] for alert in alerts)
    assert any(metric["profile_version"] for metric in rows(out, "metrics"))
    fired = Counter(alert["rule"] for alert in alerts if alert["status"] == "fired")
    assert fired == result.episodes | Counter(market_event=result.events) - Counter()


def test_each_rule_alerts_in_its_form_in_files_and_live(bars, tmp_path):
    """As it alerts where all rules have that form."""

    def published(name: str, book: ParameterBook) -> list[tuple]:
        replay_files(RecordedFiles(bars), tmp_path / name, sessions=SESSIONS, book=book, as_published=True)
        return [tuple(row[it] for it in PUBLISHED) for row in rows(tmp_path / name, "alerts")]

    mixed = book({"default": "robust", "price_breakout": "literal"})
    of_rule, alone = PUBLISHED.index("rule"), {form: published(form, book(form)) for form in FORMS}
    expected = [row for row in alone["robust"] if row[of_rule] != "price_breakout"]
    assert expected
    expected += [row for row in alone["literal"] if row[of_rule] == "price_breakout"]
    assert sorted(published("mixed", mixed)) == sorted(expected)
    recorded = read_recording(RecordedFiles(bars), SESSIONS, with_profiles=True)
    table = pd.read_parquet(bars).sort_values(["ts_ms", "symbol"])
    records = [Bar(**row, volume=Decimal(volume)) for row, volume in zip(
        table.drop(columns="volume").to_dict("records"), table["volume"], strict=True
    )]  # fmt: skip
    live = detect_records(recorded.engine(mixed), State("sketch"), records).alerts
    assert sorted(tuple(getattr(it, name) for name in PUBLISHED) for it in live) == sorted(
        row for row in expected if row[of_rule] != "market_event"
    )


@pytest.mark.parametrize("form", FORMS)
def test_metrics_in_a_file_are_those_that_live_detection_publishes(form, bars, replayed):
    out, _ = replayed[form]
    _, evaluation = evaluated(bars, form)
    metrics = build_metrics(evaluation, np.flatnonzero(evaluation.fresh))
    expected = [structs.asdict(metric) for metric in metrics]
    assert rows(out, "metrics") == expected


def test_counts_are_those_of_the_files(replayed):
    for out, result in replayed.values():
        assert result.counts["rows"] == result.counts["bars"] == len(rows(out, "metrics")) == 2 * 5 * 390
    out, result = replayed["literal"]
    alerts = pd.DataFrame(rows(out, "alerts"))
    assert result.firings == Counter(alerts["rule"])
    assert result.episodes == Counter(alerts[alerts["firings"] == 1]["rule"])


@pytest.mark.parametrize("form", FORMS)
def test_the_order_of_the_files_rows_does_not_matter(form, replayed, tmp_path):
    expected, _ = replayed[form]
    recording().sample(frac=1, random_state=11).to_parquet(tmp_path / "bars.parquet")
    replay(tmp_path / "bars.parquet", tmp_path, form)
    for name in NAMES:
        file = f"{name}.parquet"
        assert (tmp_path / file).read_bytes() == (expected / file).read_bytes(), name


def test_an_article_beside_a_burst_is_an_alert_of_its_own(bars, tmp_path):
    news = tmp_path / "news.csv"
    near, far = OPEN + 196 * 60_000, OPEN + 60_000
    header = "symbol,article_id,published_ms,title,sentiment"
    news.write_text(f"{header}\nNVDA,near,{near},Recall,negative\nKO,far,{far},Recall,negative\n")
    result = replay(bars, tmp_path, "literal", news=news)
    alerts = pd.DataFrame(rows(tmp_path, "alerts"))
    assert set(alerts[alerts["rule"] == "news_impact"]["symbol"]) == {"NVDA"}
    assert result.firings["news_impact"] == (alerts["rule"] == "news_impact").sum()
    assert result.counts["news"] == 2


def test_alerts_are_tagged_by_news_and_by_what_was_scheduled(bars, replayed, tmp_path):
    untagged = {alert["event_id"]: alert for alert in rows(replayed["robust"][0], "alerts")}
    day = untagged[next(iter(untagged))]["session_date"]
    (tmp_path / "events.csv").write_text(f"symbol,date\nNVDA,{day}\n")
    news = [f"KO,{n},{alert['bar_close_ms'] + 3_600_000},Title,positive" for n, alert in enumerate(untagged.values())]
    (tmp_path / "news.csv").write_text("\n".join(["symbol,article_id,published_ms,title,sentiment", *news]))
    replay(bars, tmp_path, "robust", news=tmp_path / "news.csv", scheduled_events=tmp_path / "events.csv")
    tags: dict[str, list[str]] = {}
    for alert in rows(tmp_path, "alerts"):
        tags.setdefault(alert["event_id"], []).append(alert["tag"])
    of_ko = {name: alert["bar_close_ms"] for name, alert in untagged.items() if alert["symbol"] == "KO"}
    assert any(tags[name][0] == "unexplained" for name in of_ko), "an hour before the article"
    # An article that comes late explains the alerts of the two newest bars that alerted.
    behind = {name: {at for at in of_ko.values() if close < at <= close + 3_600_000} for name, close in of_ko.items()}
    newest = [name for name, bars_behind in behind.items() if len(bars_behind) < 2]
    assert newest
    assert {tags[name][-1] for name in newest} == {"news"}
    on_day = [tags[name] for name, it in untagged.items() if (it["symbol"], it["session_date"]) == ("NVDA", day)]
    assert on_day
    assert all(set(found) == {"scheduled"} for found in on_day)


def test_a_folder_that_cannot_be_made_ends_the_replay_before_the_files_are_read(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match="cannot be a folder to write to"):
        replay(tmp_path / "nowhere.parquet", tmp_path / "file" / "out", "literal")

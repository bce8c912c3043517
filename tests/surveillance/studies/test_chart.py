"""What a chart shows, held against pandas and against what a replay of the same bars raises."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from include.surveillance.detection.parameters.book import ParameterBook
from include.surveillance.errors import ConfigurationError
from include.surveillance.sessions import Sessions
from include.surveillance.studies.chart import chart_alert, chart_span, draw
from include.surveillance.studies.recorded import RecordedFiles
from include.surveillance.studies.replay import replay_files
from include.surveillance.timespans import MINUTE_MS
from tests.surveillance.cli.recordings import OPEN, recording

SESSIONS = Sessions("XNYS")
SHOWN = {"timespan": "minute", "since_ms": OPEN, "until_ms": None, "sessions": SESSIONS}


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """The bars of KO, their files, and what a replay raises of them in each form."""
    folder = tmp_path_factory.mktemp("chart")
    bars = recording(5).query("symbol == 'KO'").drop(index=range(1_700, 1_703))
    bars.to_parquet(folder / "bars.parquet")
    files = RecordedFiles(folder / "bars.parquet")
    raised = {}
    for form in ("literal", "robust"):
        book = ParameterBook.default().replaced(alerting_form=form)
        replay_files(files, folder / form, sessions=SESSIONS, book=book)
        raised[form] = pd.read_parquet(folder / form / "alerts.parquet")
    return bars.sort_values("ts_ms", ignore_index=True), files, raised


def test_band_and_volume_are_those_of_the_bars_before(recorded, tmp_path):
    bars, files, _ = recorded
    book = ParameterBook.default().replaced(alerting_form="literal")
    view = chart_span(files, "KO", tmp_path / "c.png", rule="abnormal_volume", book=book, **SHOWN)
    shown = bars["ts_ms"] >= OPEN
    before = bars.shift(1).rolling(20)[["high", "low", "volume"]]
    np.testing.assert_array_equal(view.ts, bars.loc[shown, "ts_ms"])
    np.testing.assert_array_equal(view.highest, before.max().loc[shown, "high"])
    np.testing.assert_array_equal(view.lowest, before.min().loc[shown, "low"])
    np.testing.assert_allclose(view.volume_limit, 3 * before.mean().loc[shown, "volume"], rtol=1e-12)
    np.testing.assert_allclose(
        view.statistic, bars.loc[shown, "volume"] / before.mean().loc[shown, "volume"], rtol=1e-12
    )
    assert (view.limit == 3).all()
    fired, _ = view.marks["abnormal_volume"]
    assert fired.tolist() == np.flatnonzero(view.statistic > view.limit).tolist()


@pytest.mark.parametrize("form", ["literal", "robust"])
def test_the_marks_are_what_a_replay_raises(recorded, tmp_path, form):
    _, files, raised = recorded
    book = ParameterBook.default().replaced(alerting_form=form)
    view = chart_span(files, "KO", tmp_path / "c.svg", rule="price_breakout", book=book, **SHOWN)
    sides = {"up": 1, "down": -1}
    for rule, (fired, sign) in view.marks.items():
        own = raised[form][(raised[form]["rule"] == rule) & (raised[form]["ts_ms"] >= OPEN)]
        marks = set(zip(view.ts[fired].tolist(), sign.tolist(), strict=True))
        assert {(it.ts_ms, sides.get(it.direction, 0)) for it in own.itertuples()} <= marks
    assert any(len(fired) for fired, _ in view.marks.values())


def test_the_figure_shows_every_bar_the_episode_and_where_time_is_left_out(recorded, tmp_path):
    _, files, raised = recorded
    alert = raised["robust"].query("rule == 'abnormal_volume' and form == 'robust'").iloc[0]
    view = chart_alert(files, alert["event_id"], tmp_path / "c.png", sessions=SESSIONS, book=ParameterBook.default())
    first, last = view.episode
    assert view.ts[first] == alert["episode_start_ms"]
    assert last >= first
    assert view.form == "robust"
    assert view.statistic[first] > view.limit[first]
    price, volume, _ = draw(view).axes
    assert len(price.patches) >= len(view.ts)
    assert sorted(bar.get_height() for bar in volume.patches[: len(view.ts)]) == sorted(view.volume)
    holes = np.flatnonzero(np.diff(view.ts) != MINUTE_MS)
    dotted = [line.get_xdata()[0] for line in price.lines if line.get_linestyle() == ":"]
    assert dotted == [hole + 0.5 for hole in holes]


def test_more_bars_than_a_chart_can_show_are_refused(tmp_path):
    many = SHOWN | {"since_ms": 0, "until_ms": 4_000_000_000_000, "rule": "price_gap"}
    files_of_many = tmp_path / "many.parquet"
    bars = recording(5).query("symbol == 'KO'")
    pd.concat([bars, bars.assign(ts_ms=bars["ts_ms"] - 7 * 86_400_000)]).to_parquet(files_of_many)
    with pytest.raises(ConfigurationError, match="too many for one chart"):
        chart_span(RecordedFiles(files_of_many), "KO", tmp_path / "c.png", book=ParameterBook.default(), **many)
    assert not (tmp_path / "c.png").exists()

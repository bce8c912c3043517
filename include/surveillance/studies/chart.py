"""A chart of one symbol: candles, volume and a rule's statistic, with the limits that were in force and what fired."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from include.surveillance.alerts.market_events import MARKET
from include.surveillance.detection.engine import Engine
from include.surveillance.detection.findings import Evaluation
from include.surveillance.detection.parameters.book import ParameterBook
from include.surveillance.detection.rules.bar_rule import RuleForm
from include.surveillance.detection.rules.registry import BAR_RULES, KINDS
from include.surveillance.errors import ConfigurationError
from include.surveillance.files.results import make_folder
from include.surveillance.records import NewsItem
from include.surveillance.sessions import Sessions
from include.surveillance.studies.forms import judged_bars
from include.surveillance.studies.recorded import RecordedFiles, Recording, read_recording
from include.surveillance.texts import one_line
from include.surveillance.timespans import NEW_YORK, SPAN_MS, to_utc, write_new_york

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SUFFIXES = (".png", ".svg")
BEFORE, AFTER = 90, 45
"""Bars that are shown before and after an alert."""
MOST = 2_000
"""Bars of one chart: more than its pixels show nothing."""
LISTED = 6
"""Articles whose titles are written below a chart."""
UP, DOWN, QUIET = "#26866b", "#c0392b", "#7f8c8d"
COLOURS = dict(zip(BAR_RULES["literal"], ("#8e44ad", "#d68910", "#2471a3", "#17202a", "#a04000"), strict=False))


@dataclass(frozen=True)
class View:
    """What one chart shows: some bars of one series, in order of time, one array element each.

    Attributes:
        symbol, timespan: of the series.
        rule: whose statistic is shown.
        ts: start, UTC epoch ms.
        prices: ``open, high, low, close``, dollars, as traded; ``volume`` in shares.
        highest, lowest: the band of the bars before, dollars; NaN: not applicable.
        usual_volume, volume_limit: the mean of the bars before, and what the literal rule allows, in shares.
        statistic, limit: what the rule holds against its threshold, and the threshold, in the form ``form``; NaN:
            not applicable.
        form: in which the rule alerts.
        marks: what fired: per rule the indices of the bars, and the direction of each (1, -1 or 0).
        episode: indices of the first and the last bar of the alert that was asked for, if one was.
        news: index of the bar in which each article was published or after which it came, and the article.
    """

    symbol: str
    timespan: str
    rule: str
    ts: np.ndarray
    prices: dict[str, np.ndarray]
    volume: np.ndarray
    highest: np.ndarray
    lowest: np.ndarray
    usual_volume: np.ndarray
    volume_limit: np.ndarray
    statistic: np.ndarray
    limit: np.ndarray
    form: RuleForm
    marks: dict[str, tuple[np.ndarray, np.ndarray]]
    episode: tuple[int, int] | None
    news: list[tuple[int, NewsItem]]


def chart_alert(
    files: RecordedFiles,
    alert_id: str,
    path: Path,
    *,
    sessions: Sessions,
    book: ParameterBook,
) -> View:
    """Draw the bars around an alert of recorded bars into a PNG or SVG file.

    Raises:
        ConfigurationError: this is no alert's id, these inputs do not raise it, or a file cannot be used.
    """
    parts = alert_id.split("|")
    if len(parts) != 5 or not parts[3].isdigit():
        raise ConfigurationError(
            f"{alert_id!r} is no alert's id; `alerts` lists them, and a shell needs quotes around one: "
            "'price_gap|KO|minute|1550154600000|v1'"
        )
    rule, symbol, timespan, start, _ = parts
    if symbol == MARKET:
        raise ConfigurationError("an event of the whole market has no bars of its own; chart one of its symbols")
    shown_rule = rule if rule in BAR_RULES["literal"] else "abnormal_volume"
    run = _Run(files, symbol, timespan, sessions, book)
    first = _find(run.ts, int(start), alert_id)
    last = first
    if rule == shown_rule:
        of_rule = run.firings_of(rule)
        own = of_rule[run.starts[of_rule] == int(start)]
        if not len(own):
            raise ConfigurationError(
                f"{alert_id} is not raised by these inputs; give the options of the run that raised it"
            )
        last = int(run.at[own[-1]])
    shown = slice(max(0, first - BEFORE), min(len(run.ts), last + 1 + AFTER))
    view = run.view(shown, shown_rule, (first, last))
    write_chart(view, path)
    return view


def chart_span(
    files: RecordedFiles,
    symbol: str,
    path: Path,
    *,
    timespan: str,
    rule: str,
    since_ms: int | None,
    until_ms: int | None,
    sessions: Sessions,
    book: ParameterBook,
) -> View:
    """Draw a symbol's recorded bars of a stretch of time into a PNG or SVG file.

    Args:
        since_ms, until_ms: bars that start in [since, until]; without since the last session's.

    Raises:
        ConfigurationError: there is no such bar, there are too many for one chart, or a file cannot be used.
    """
    run = _Run(files, symbol, timespan, sessions, book)
    if since_ms is None:
        session = run.evaluation.scan.positions.session
        since_ms = int(run.ts[np.flatnonzero(session == session[-1])[0]])
    first = int(np.searchsorted(run.ts, since_ms))
    end = len(run.ts) if until_ms is None else int(np.searchsorted(run.ts, until_ms, side="right"))
    if end <= first:
        raise ConfigurationError(
            f"{symbol} has no bar in the time that is asked for; its bars reach from {write_new_york(run.ts[0])} to "
            f"{write_new_york(run.ts[-1])} New York"
        )
    if end - first > MOST:
        raise ConfigurationError(f"{end - first:,} bars are too many for one chart; choose at most {MOST:,}")
    view = run.view(slice(first, end), rule, None)
    write_chart(view, path)
    return view


class _Run:
    """One series' bars with all that the engine says of them."""

    def __init__(self, files: RecordedFiles, symbol: str, timespan: str, sessions: Sessions, book: ParameterBook):
        robust = book.base.uses_profiles
        self.recording = _read_series(files, symbol, timespan, sessions, with_profiles=robust)
        self.symbol, self.timespan, self.book = symbol, timespan, book
        self.engine: Engine = self.recording.engine(book)
        self.evaluation: Evaluation = self.recording.evaluate(book)
        firings = self.evaluation.fresh_firings
        self.ts = self.evaluation.scan.bars.ts
        self.at, self.starts, self.kinds = firings.index, firings.start, firings.kind

    def firings_of(self, rule: str) -> np.ndarray:
        kinds = [kind for kind, (name, _) in enumerate(KINDS) if name == rule]
        return np.flatnonzero(np.isin(self.kinds, kinds))

    def view(self, shown: slice, rule: str, episode: tuple[int, int] | None) -> View:
        scan = self.evaluation.scan
        bars = scan.bars.take(shown)
        every = np.arange(len(scan))
        literal_volume = self.engine.rules["literal"]["abnormal_volume"]
        usual = scan.measured("volume_mean", every)
        multiple = self.engine.parameters.limits(literal_volume, scan)(literal_volume.threshold)
        statistic, limit, form = self._statistic(rule)
        marks = {}
        for name in BAR_RULES["literal"]:
            own = self.firings_of(name)
            own = own[(self.at[own] >= shown.start) & (self.at[own] < shown.stop)]
            signs = np.array([{"up": 1, "down": -1}.get(KINDS[kind][1], 0) for kind in self.kinds[own]], dtype=int)
            marks[name] = self.at[own] - shown.start, signs
        return View(
            symbol=self.symbol,
            timespan=self.timespan,
            rule=rule,
            ts=bars.ts,
            prices={name: getattr(bars, name) for name in ("open", "high", "low", "close")},
            volume=bars.volume,
            highest=scan.measured("highest_high", every)[shown],
            lowest=scan.measured("lowest_low", every)[shown],
            usual_volume=usual[shown],
            volume_limit=(usual * multiple)[shown],
            statistic=statistic[shown],
            limit=limit[shown],
            form=form,
            marks=marks,
            episode=episode and (episode[0] - shown.start, episode[1] - shown.start),
            news=self._news(bars.ts),
        )

    def _statistic(self, rule: str) -> tuple[np.ndarray, np.ndarray, RuleForm]:
        """Return what the rule holds against its threshold and the threshold, per bar, and the form that alerts."""
        scan, of_form = self.evaluation.scan, self.engine.alerting[rule]
        statistic, limit = np.full(len(scan), np.nan), np.full(len(scan), np.nan)
        if (own := judged_bars(self.engine, self.evaluation, of_form)).any():
            with np.errstate(divide="ignore", invalid="ignore"):
                statistic[own] = of_form.statistic(self.evaluation)[own]
            limit[own] = self.engine.parameters.limits(of_form, scan)(of_form.threshold)[own]
        return statistic, limit, of_form.form

    def _news(self, ts: np.ndarray) -> list[tuple[int, NewsItem]]:
        end_ms = int(ts[-1]) + SPAN_MS[self.timespan]
        inside = [it for it in self.recording.news if it.symbol == self.symbol and ts[0] <= it.published_ms < end_ms]
        inside.sort(key=lambda it: (it.published_ms, it.article_id))
        return [(int(np.searchsorted(ts, it.published_ms, side="right")) - 1, it) for it in inside]


def write_chart(view: View, path: Path) -> None:
    """Draw a view and write it as PNG or SVG, as the file's name ends.

    Raises:
        ConfigurationError: the name ends otherwise, or the file cannot be written.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise ConfigurationError(f"{path} is no picture; let its name end in {' or '.join(SUFFIXES)}")
    make_folder(path.parent)
    try:
        draw(view).savefig(path, dpi=110)
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be written: {error.strerror}") from error


def draw(view: View) -> Figure:
    """Draw price, volume and statistic below each other; a dotted line between bars says that time is left out."""
    # Slow to import, and needed nowhere else. Without pyplot there is neither a window nor a global state.
    from matplotlib.figure import Figure

    figure = Figure(figsize=(13, 8), layout="constrained")
    price, volume, statistic = figure.subplots(3, 1, sharex=True, height_ratios=(5, 2, 2))
    at = np.arange(len(view.ts))
    colours = np.where(view.prices["close"] >= view.prices["open"], UP, DOWN)
    _draw_price(price, view, at, colours)
    volume.bar(at, view.volume, width=0.8, color=colours)
    volume.plot(at, view.usual_volume, color=QUIET, linewidth=1, label="mean of the bars before")
    volume.plot(at, view.volume_limit, color="black", linewidth=1, linestyle="--", label="literal limit")
    volume.set_ylabel("shares")
    volume.yaxis.set_major_formatter("{x:,.0f}")
    price.ticklabel_format(axis="y", style="plain", useOffset=False)
    statistic.plot(at, view.statistic, color=COLOURS[view.rule], linewidth=1, marker=".", markersize=3)
    statistic.plot(at, view.limit, color="black", linewidth=1, linestyle="--", label="threshold in force")
    statistic.set_ylabel(_name_statistic(view))
    fired, _ = view.marks[view.rule]
    statistic.plot(fired, view.statistic[fired], "o", color=COLOURS[view.rule], label="fired")
    apart = np.flatnonzero(np.diff(view.ts) != SPAN_MS[view.timespan]) + 0.5
    for axes in (price, volume, statistic):
        for x in apart.tolist():
            axes.axvline(x, color=QUIET, linewidth=0.5, linestyle=":")
        if view.episode:
            axes.axvspan(view.episode[0] - 0.5, view.episode[1] + 0.5, color="#f7dc6f", alpha=0.35, zorder=0)
        if axes.get_legend_handles_labels()[1]:
            axes.legend(loc="upper left", fontsize=8)
    ticks = np.unique(np.linspace(0, len(at) - 1, 10).astype(int))
    statistic.set_xticks(ticks, [_tick(view, i) for i in ticks.tolist()], fontsize=8)
    statistic.set_xlabel("start of the bar, New York time")
    _write_title(figure, view)
    return figure


def _draw_price(axes: Axes, view: View, at: np.ndarray, colours: np.ndarray) -> None:
    opened, high, low, close = (view.prices[name] for name in ("open", "high", "low", "close"))
    axes.vlines(at, low, high, color=colours, linewidth=0.8)
    body = np.maximum(np.abs(close - opened), (np.max(high) - np.min(low)) / 800)
    axes.bar(at, body, bottom=np.minimum(opened, close), width=0.7, color=colours)
    axes.fill_between(
        at, view.lowest, view.highest, color="#aed6f1", alpha=0.35, step="mid", label="range of the bars before"
    )
    reach = (np.max(high) - np.min(low)) * 0.02
    for rule, (fired, sign) in view.marks.items():
        for marker, which in (("^", sign > 0), ("v", sign < 0), ("D", sign == 0)):
            index = fired[which]
            if len(index):
                y = high[index] + reach if marker == "v" else low[index] - reach
                side = {"^": " up", "v": " down"}.get(marker, "")
                axes.plot(index, y, marker, color=COLOURS[rule], markersize=5, linestyle="none", label=f"{rule}{side}")
    for number, (index, _) in enumerate(view.news, start=1):
        axes.axvline(index, color="#b7950b", linewidth=0.8)
        axes.annotate(
            f"news {number}",
            (index, 1),
            xycoords=("data", "axes fraction"),
            fontsize=7,
            rotation=90,
            va="top",
            ha="right",
        )
    axes.set_ylabel("dollars")


def _write_title(figure: Figure, view: View) -> None:
    """Write the title and, below, the titles of articles; none of it is markup of formulas."""
    lines = [
        f"{view.symbol}, {view.timespan} bars, {write_new_york(view.ts[0])} to {write_new_york(view.ts[-1])} New York"
    ]
    lines += [
        f"news {number}: {write_new_york(item.published_ms)} {one_line(item.title, 110)}"
        for number, (_, item) in enumerate(view.news[:LISTED], start=1)
    ]
    if len(view.news) > LISTED:
        lines.append(f"and {len(view.news) - LISTED:,} more articles")
    figure.suptitle("\n".join(lines), fontsize=10, ha="left", x=0.02, parse_math=False)


def _name_statistic(view: View) -> str:
    return f"{view.rule}\n({view.form}: {BAR_RULES[view.form][view.rule].threshold})"


def _tick(view: View, index: int) -> str:
    moment = to_utc(int(view.ts[index])).astimezone(NEW_YORK)
    return f"{moment:%Y-%m-%d}" if view.timespan == "day" else f"{moment:%m-%d}\n{moment:%H:%M}"


def _find(ts: np.ndarray, start_ms: int, alert_id: str) -> int:
    index = int(np.searchsorted(ts, start_ms))
    if index == len(ts) or ts[index] != start_ms:
        raise ConfigurationError(f"there is no bar at {write_new_york(start_ms)} New York, where {alert_id} begins")
    return index


def _read_series(
    files: RecordedFiles, symbol: str, timespan: str, sessions: Sessions, *, with_profiles: bool
) -> Recording:
    """Read the recording of one series alone.

    Raises:
        ConfigurationError: a file cannot be used or has no bar of the series.
    """
    recording = read_recording(replace(files, only=symbol), sessions, with_profiles=with_profiles)
    bars = recording.bars
    if (symbol, timespan) not in bars.keys:
        known = ", ".join(sorted({span for name, span in bars.keys if name == symbol})) or "none"
        raise ConfigurationError(f"{files.bars} has no {timespan} bars of {symbol}; timespans of it there: {known}")
    own = bars.take(bars.code == bars.keys.index((symbol, timespan)))
    return replace(recording, bars=replace(own, keys=[(symbol, timespan)], code=np.zeros(len(own), np.int32)))

"""A state being advanced: parts are copied when first touched, so the state that it came from stays whole."""

from __future__ import annotations

from .series import Article, Series
from .state import State, series_key


class Working:
    """Access to the parts of ``state``, a copy of the one given."""

    def __init__(self, state: State):
        self.state = State(
            history=state.history,
            offsets=dict(state.offsets),
            series=dict(state.series),
            articles=dict(state.articles),
        )
        self._series: dict[str, Series] = {}
        self._articles: dict[str, list[Article]] = {}

    def knows(self, symbol: str, timespan: str) -> bool:
        return series_key(symbol, timespan) in self.state.series

    def series(self, symbol: str, timespan: str) -> Series:
        """To read and change; empty when the series is new."""
        key = series_key(symbol, timespan)
        series = self._series.get(key)
        if series is None:
            known = self.state.series.get(key)
            series = known.copy() if known is not None else self.state.new_series()
            self._series[key] = self.state.series[key] = series
        return series

    def articles(self, symbol: str) -> list[Article]:
        """The symbol's negative articles, to read and change."""
        articles = self._articles.get(symbol)
        if articles is None:
            articles = [article.copy() for article in self.state.articles.get(symbol, ())]
            self._articles[symbol] = self.state.articles[symbol] = articles
        return articles

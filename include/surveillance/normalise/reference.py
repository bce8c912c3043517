"""Normalise: the vendor's JSON -> records. What cannot be used becomes a Reject with its reason and raw bytes."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import replace
from functools import partial
from math import fsum
from typing import Any, TypeVar

from include.surveillance.normalise.fields import (
    Fields,
    UnusableError,
    day,
    is_unicode,
    moment,
    optional_text,
    parse_object,
    price,
    rejected,
    text,
    wrong,
)
from include.surveillance.normalise.ohlcv import bars, snapshot
from include.surveillance.polygon.client import Payload
from include.surveillance.records import SPAN_MS, Dividend, Instrument, NewsItem, Reject, Source, Split

__all__ = ["bars", "dividends", "instruments", "news", "snapshot", "splits"]

T = TypeVar("T")
MINUTE_MS = SPAN_MS["minute"]
SENTIMENTS = ("positive", "neutral", "negative")


def news(payload: Payload, watchlist: Collection[str], *, source: Source) -> list[NewsItem | Reject]:
    """One item per article and watched ticker, in the vendor's order; an article about nothing watched is no item.

    An insight that cannot be used is rejected, and its item kept with an unknown sentiment.
    """
    about = {"source": source, "polled_ms": payload.polled_ms}
    found: list[NewsItem | Reject] = []
    for raw, made in _each(payload, partial(_articles, watched=frozenset(watchlist), about=about)):
        if isinstance(made, UnusableError):
            found.append(rejected(raw, made, **about))
        else:
            items, unusable = made
            found += items
            found += (rejected(raw, error, **about) for error in unusable)
    return found


def instruments(payload: Payload) -> list[Instrument | Reject]:
    """The instruments asked for; one that the vendor does not know is a Reject."""
    about = {"polled_ms": payload.polled_ms}
    found: list[Instrument | Reject] = []
    for raw, made in _each(payload, partial(_instrument, about=about)):
        if isinstance(made, UnusableError):
            found.append(rejected(raw, made, **about))
        elif made.symbol in payload.symbols:
            found.append(made)
    unknown = set(payload.symbols) - {made.symbol for made in found if isinstance(made, Instrument)}
    missing = UnusableError("unknown ticker", "asked for and not among the vendor's active tickers")
    return found + [rejected(b"", missing, symbol=symbol, **about) for symbol in sorted(unknown)]


def splits(payload: Payload) -> list[Split | Reject]:
    """Every split, watched or not: the list is short."""
    return [
        rejected(raw, made, polled_ms=payload.polled_ms) if isinstance(made, UnusableError) else made
        for raw, made in _each(payload, _split)
    ]


def dividends(payload: Payload) -> list[Dividend | Reject]:
    """One record per ticker and ex-date, watched or not: a regular and a special dividend of one day are added up.

    Of dividends of one day in several currencies those in dollars count, else those of the first currency.
    """
    rejects: list[Dividend | Reject] = []
    days: dict[tuple[str, str], list[Dividend]] = {}
    # A result that comes again, as on the border of two pages, is the same dividend and not another one.
    for raw, made in _each(replace(payload, results=tuple(dict.fromkeys(payload.results))), _dividend):
        if isinstance(made, UnusableError):
            rejects.append(rejected(raw, made, polled_ms=payload.polled_ms))
        else:
            days.setdefault((made.symbol, made.ex_date), []).append(made)
    return [_added_up(found) for found in days.values()] + rejects


def _added_up(found: list[Dividend]) -> Dividend:
    currencies = [dividend.currency for dividend in found]
    currency = "USD" if "USD" in currencies else currencies[0]
    cash = fsum(dividend.cash_amount for dividend in found if dividend.currency == currency)
    return Dividend(symbol=found[0].symbol, ex_date=found[0].ex_date, cash_amount=cash, currency=currency)


def _each(payload: Payload, make: Callable[[Fields], T]) -> Iterator[tuple[bytes, T | UnusableError]]:
    for raw in payload.results:
        try:
            yield raw, make(parse_object(raw))
        except UnusableError as error:
            yield raw, error


# --- one result each


def _articles(fields: Fields, *, watched: Collection[str], about: Fields) -> tuple[list[NewsItem], list[UnusableError]]:
    tickers = fields.get("tickers")
    if not isinstance(tickers, list) or not all(isinstance(ticker, str) for ticker in tickers):
        raise wrong("tickers", tickers, "a list of tickers")
    symbols = [symbol for symbol in dict.fromkeys(tickers) if symbol in watched]
    if not symbols:
        return [], []
    published_ms = moment(fields, "published_utc")
    if published_ms > about["polled_ms"] + MINUTE_MS:
        raise UnusableError("future stamp", f"published {published_ms} is after the poll at {about['polled_ms']}")
    publisher = fields.get("publisher")
    article = {
        "article_id": text(fields, "id"),
        "published_ms": published_ms,
        "title": text(fields, "title"),
        "url": optional_text(fields, "article_url") or "",
        "publisher": (optional_text(publisher, "name") if isinstance(publisher, dict) else None) or "",
        "tickers": tuple(ticker for ticker in tickers if is_unicode(ticker)),
    }
    insights, unusable = _insights(fields.get("insights"), symbols)
    return [NewsItem(symbol=symbol, **article, **insights.get(symbol, {}), **about) for symbol in symbols], unusable


def _insights(given: Any, symbols: list[str]) -> tuple[dict[str, Fields], list[UnusableError]]:
    """Sentiment and reasoning by ticker; no insights at all is usual and no error."""
    found: dict[str, Fields] = {}
    unusable = []
    if given is not None and not isinstance(given, list):
        return {}, [wrong("insights", given, "a list")]
    for insight in given or ():
        if not isinstance(insight, dict):
            unusable.append(wrong("insight", insight, "an object"))
        elif insight.get("ticker") in symbols:
            sentiment = insight.get("sentiment")
            if sentiment in SENTIMENTS:
                reasoning = insight.get("sentiment_reasoning")
                found[insight["ticker"]] = {
                    "sentiment": sentiment,
                    "reasoning": reasoning if isinstance(reasoning, str) and is_unicode(reasoning) else None,
                }
            else:
                unusable.append(wrong("sentiment", sentiment, f"one of {', '.join(SENTIMENTS)}"))
    return found, unusable


def _instrument(fields: Fields, *, about: Fields) -> Instrument:
    optional = ("type", "primary_exchange", "cik", "composite_figi", "share_class_figi")
    return Instrument(
        symbol=text(fields, "ticker"),
        name=text(fields, "name"),
        market=optional_text(fields, "market") or "stocks",
        currency=optional_text(fields, "currency_name"),
        active=fields.get("active", True) is not False,
        **{name: optional_text(fields, name) for name in optional},
        **about,
    )


def _split(fields: Fields) -> Split:
    return Split(
        symbol=text(fields, "ticker"),
        execution_date=day(fields, "execution_date"),
        split_from=price(fields, "split_from"),
        split_to=price(fields, "split_to"),
    )


def _dividend(fields: Fields) -> Dividend:
    return Dividend(
        symbol=text(fields, "ticker"),
        ex_date=day(fields, "ex_dividend_date"),
        cash_amount=price(fields, "cash_amount"),
        currency=(optional_text(fields, "currency") or "USD").upper(),
    )

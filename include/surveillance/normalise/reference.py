"""Normalises news, instruments, splits and dividends."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from functools import partial
from typing import Any, TypeVar

from msgspec.structs import replace as replace_fields

from include.surveillance.instruments import (
    CURRENCY,
    OTHER_CURRENCY,
    TWO_SUCCESSORS,
    Objection,
    Tickers,
    settle_dividends,
    settle_splits,
)
from include.surveillance.normalise.fields import (
    LONGEST_IDENTIFIER,
    Fields,
    UnusableError,
    parse_object,
    read_date,
    read_identifier,
    read_optional_text,
    read_price,
    read_text,
    read_time,
    read_web_address,
    reject,
    unusable,
)
from include.surveillance.polygon.client import Payload
from include.surveillance.records import (
    SENTIMENTS,
    Dividend,
    Instrument,
    NewsItem,
    Payment,
    Reject,
    Source,
    Split,
    TickerChange,
)
from include.surveillance.texts import LONGEST_TITLE, is_identifier, one_line
from include.surveillance.timespans import MINUTE_MS

T = TypeVar("T")
R = TypeVar("R", Split, Dividend)
UNKNOWN_TICKER = "unknown ticker"
LONGEST_REASONING = 1_000
# An article names a handful; each of them that is watched has an item with the list of all.
MOST_TICKERS = 100


def news(
    payload: Payload, watchlist: Collection[str], *, source: Source, companies: Mapping[str, str] | None = None
) -> list[NewsItem | Reject]:
    """Make one item per article and watched ticker, in the vendor's order; an article about nothing watched is no item.

    An insight that cannot be used is rejected, and its item kept with an unknown sentiment.

    Args:
        companies: ticker -> name in the reference data, as far as it is known.
    """
    about = {"source": source, "polled_ms": payload.polled_ms}
    watched, companies, records = frozenset(watchlist), companies or {}, list[NewsItem | Reject]()
    for raw in payload.results:
        try:
            items, errors = _read_article(parse_object(raw), watched, companies, about)
        except UnusableError as error:
            items, errors = [], [error]
        records += items
        records += (reject(raw, error, **about) for error in errors)
    return records


def instruments(payload: Payload) -> list[Instrument | Reject]:
    """Make the instruments asked for; one that the vendor does not know is a Reject."""
    asked = set(payload.symbols)
    read = _read_each(payload, partial(_read_instrument, polled_ms=payload.polled_ms))
    records = [record for record in read if isinstance(record, Reject) or record.symbol in asked]
    unknown = asked - {record.symbol for record in records if isinstance(record, Instrument)}
    missing = UnusableError(UNKNOWN_TICKER, "asked for and not among the vendor's active tickers")
    return records + [reject(b"", missing, symbol=symbol, polled_ms=payload.polled_ms) for symbol in sorted(unknown)]


def delisted(payload: Payload) -> list[Instrument | Reject]:
    """Make the instruments that have had a ticker and are traded no more, the latest first."""
    read = _read_each(payload, partial(_read_instrument, polled_ms=payload.polled_ms))
    return sorted(read, key=lambda it: getattr(it, "delisted_on", None) or "", reverse=True)


def ticker_changes(payload: Payload) -> list[TickerChange | Reject]:
    """Make the changes of one instrument's ticker, oldest first; the first one has no ticker before it.

    Where two tickers begin on one day, nobody knows which came first, and all is one Reject.
    """
    changes: list[TickerChange | Reject] = []
    for raw in payload.results:
        try:
            changes += _read_ticker_changes(parse_object(raw))
        except UnusableError as error:
            changes.append(reject(raw, error, polled_ms=payload.polled_ms))
    return changes


def splits(payload: Payload, tickers: Tickers = Tickers()) -> list[Split | Reject]:  # noqa: B008 - never changed
    """Make every split, watched or not: the list is short. What contradicts itself is rejected."""
    kept, rejects = _settle(payload, _read_split, lambda records: settle_splits(records, tickers))
    return [*kept, *rejects]


def dividends(
    payload: Payload,
    watchlist: Collection[str],
    tickers: Tickers = Tickers(),  # noqa: B008 - never changed
) -> list[Dividend | Reject]:
    """Make one record per instrument and ex-date, watched or not, of all payments of that day in dollars.

    A dividend in another currency is rejected where its ticker is watched, and left out where it is not.
    """
    kept, rejects = _settle(payload, _read_dividend, lambda given: settle_dividends(given, tickers))
    watched = frozenset(watchlist)
    return [*kept, *(it for it in rejects if it.reason != OTHER_CURRENCY or it.symbol in watched)]


def _settle(
    payload: Payload, read: Callable[[Fields], R], settle: Callable[[list[R]], tuple[list[R], dict[int, Objection]]]
) -> tuple[list[R], list[Reject]]:
    """Read each result, and reject those that do not count beside the others."""
    rejects: list[Reject] = []
    records: list[R] = []
    raws: list[bytes] = []
    for raw in payload.results:
        try:
            records.append(read(parse_object(raw)))
            raws.append(raw)
        except UnusableError as error:
            rejects.append(reject(raw, error, polled_ms=payload.polled_ms))
    kept, objections = settle(records)
    for index, objection in objections.items():
        about = {"symbol": records[index].symbol, "polled_ms": payload.polled_ms}
        rejects.append(reject(raws[index], UnusableError(*objection), **about))
    return kept, rejects


def _read_each(payload: Payload, read: Callable[[Fields], T]) -> Iterator[T | Reject]:
    for raw in payload.results:
        try:
            yield read(parse_object(raw))
        except UnusableError as error:
            yield reject(raw, error, polled_ms=payload.polled_ms)


def _read_article(
    fields: Fields, watched: Collection[str], companies: Mapping[str, str], about: Fields
) -> tuple[list[NewsItem], list[UnusableError]]:
    tickers = fields.get("tickers")
    if not isinstance(tickers, list) or not all(isinstance(ticker, str) for ticker in tickers):
        raise unusable("tickers", tickers, "a list of tickers")
    symbols = [symbol for symbol in dict.fromkeys(tickers) if symbol in watched]
    if not symbols:
        return [], []
    published_ms = read_time(fields, "published_utc")
    if published_ms > about["polled_ms"] + MINUTE_MS:
        raise UnusableError("future stamp", f"published {published_ms} is after the poll at {about['polled_ms']}")
    publisher = fields.get("publisher")
    article: Fields = {
        "article_id": read_identifier(fields, "id"),
        "published_ms": published_ms,
        "title": read_text(fields, "title", LONGEST_TITLE),
        "url": read_web_address(fields, "article_url"),
        "publisher": (read_optional_text(publisher, "name") if isinstance(publisher, dict) else None) or "",
        "tickers": tuple(ticker for ticker in tickers[:MOST_TICKERS] if is_identifier(ticker, LONGEST_IDENTIFIER)),
    }
    insights, errors = _read_insights(fields.get("insights"), symbols)
    items = [
        NewsItem(symbol=symbol, company=companies.get(symbol, ""), **article, **insights.get(symbol, {}), **about)
        for symbol in symbols
    ]
    return items, errors


def withdrawn_news(known: Iterable[NewsItem], listed: Iterable[NewsItem | Reject], polled_ms: int) -> list[NewsItem]:
    """Make an item for each known one whose article, or whose ticker in it, the vendor lists no longer.

    Args:
        known: items of the range that was asked for, in the order of the log.
        listed: what ``news`` made of the answer, for the same watchlist. Where an article of it could not be used,
            nothing can be said of what is missing.
        polled_ms: when the vendor was asked.
    """
    standing = {(item.article_id, item.symbol): item for item in known}
    answered = list(listed)
    if any(isinstance(item, Reject) for item in answered):
        return []
    still = {(item.article_id, item.symbol) for item in answered if isinstance(item, NewsItem)}
    return [
        replace_fields(item, withdrawn=True, source="backfill", polled_ms=polled_ms, revision="", event_id="")
        for key, item in standing.items()
        if key not in still and not item.withdrawn
    ]


def _read_insights(given: Any, symbols: list[str]) -> tuple[dict[str, Fields], list[UnusableError]]:
    """Read sentiment and reasoning by ticker; no insights at all is usual and no error."""
    if given is not None and not isinstance(given, list):
        return {}, [unusable("insights", given, "a list")]
    insights: dict[str, Fields] = {}
    errors = []
    for insight in given or ():
        if not isinstance(insight, dict):
            errors.append(unusable("insight", insight, "an object"))
        elif insight.get("ticker") in symbols:
            sentiment, reasoning = insight.get("sentiment"), insight.get("sentiment_reasoning")
            if sentiment in SENTIMENTS:
                why = one_line(reasoning, LONGEST_REASONING) if isinstance(reasoning, str) else ""
                insights[insight["ticker"]] = {"sentiment": sentiment, "reasoning": why or None}
            else:
                errors.append(unusable("sentiment", sentiment, f"one of {', '.join(SENTIMENTS)}"))
    return insights, errors


def _read_instrument(fields: Fields, *, polled_ms: int) -> Instrument:
    # The vendor gives a time of that day.
    last_day = read_text(fields, "delisted_utc")[:10] if fields.get("delisted_utc") else None
    return Instrument(
        symbol=read_identifier(fields, "ticker"),
        name=read_text(fields, "name"),
        market=read_optional_text(fields, "market") or "stocks",
        type=read_optional_text(fields, "type"),
        primary_exchange=read_optional_text(fields, "primary_exchange"),
        currency=read_optional_text(fields, "currency_name"),
        cik=read_optional_text(fields, "cik"),
        composite_figi=read_optional_text(fields, "composite_figi"),
        share_class_figi=read_optional_text(fields, "share_class_figi"),
        active=fields.get("active", True) is not False,
        delisted_on=read_date({"delisted_utc": last_day}, "delisted_utc") if last_day else None,
        polled_ms=polled_ms,
    )


def _read_split(fields: Fields) -> Split:
    return Split(
        symbol=read_identifier(fields, "ticker"),
        execution_date=read_date(fields, "execution_date"),
        split_from=read_price(fields, "split_from"),
        split_to=read_price(fields, "split_to"),
    )


def _read_dividend(fields: Fields) -> Dividend:
    cash = read_price(fields, "cash_amount")
    # The older list has another name for it and other words.
    kind = read_optional_text(fields, "distribution_type") or read_optional_text(fields, "dividend_type") or ""
    pay_date = read_date(fields, "pay_date") if fields.get("pay_date") else ""
    return Dividend(
        symbol=read_identifier(fields, "ticker"),
        ex_date=read_date(fields, "ex_dividend_date"),
        cash_amount=cash,
        currency=(read_optional_text(fields, "currency") or CURRENCY).upper(),
        payments=(Payment(cash_amount=cash, type=kind, pay_date=pay_date),),
    )


def _read_ticker_changes(fields: Fields) -> list[TickerChange]:
    events, figi = fields.get("events"), read_optional_text(fields, "composite_figi")
    if not isinstance(events, list) or not all(isinstance(event, dict) for event in events):
        raise unusable("events", events, "a list of objects")
    began: dict[str, str] = {}
    for event in events:
        if event.get("type", "ticker_change") != "ticker_change":
            continue
        changed, date = event.get("ticker_change"), read_date(event, "date")
        symbol = read_identifier(changed if isinstance(changed, dict) else {}, "ticker")
        if began.setdefault(date, symbol) != symbol:
            raise UnusableError(TWO_SUCCESSORS, f"{began[date]} and {symbol} on {date}")
    before, changes = "", []
    for date in sorted(began):
        if began[date] != before:
            changes.append(TickerChange(symbol=before, new_symbol=began[date], date=date, composite_figi=figi))
            before = began[date]
    return changes

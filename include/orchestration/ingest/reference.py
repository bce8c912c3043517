"""What the vendor says about instruments: who they are, their tickers, splits and dividends."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

from include.orchestration import connections
from include.orchestration.ingest import polling

if TYPE_CHECKING:  # each task needs few of them, and a DAG file none
    from include.surveillance.detection.corporate_actions import CorporateActions
    from include.surveillance.polygon.client import Polygon
    from include.surveillance.records import Dividend, Instrument, Reject, Split, TickerChange

LOG = logging.getLogger(__name__)
SINCE = timedelta(days=400)
"""How far back splits, dividends and first listings are asked for; changes of tickers as far as there are any."""
MOST_LOOKED_UP = 2_000
"""Instruments whose tickers are asked for in one run, a call each: a whole market takes a few nights."""


def ingest_instruments(run_after: datetime) -> dict[str, int]:
    """Publish reference data of each watched symbol, and the changes of its ticker; return records per topic.

    The vendor is asked for an instrument's tickers when it is new, looks like another one, or is gone.
    """
    from include.surveillance import broker, normalise
    from include.surveillance.records import Instrument

    polygon, kafka = connections.polygon(connections.PATIENT_SECONDS), connections.kafka()
    known = _read_known(kafka)
    look = _Look(polygon, known, run_after)
    records = normalise.instruments(polygon.instruments(polling.read_watchlist()))
    found: list[Instrument | Reject | TickerChange] = []
    for record in records:
        if isinstance(record, Instrument):
            found += look.at_listed(record)
        elif record.reason == normalise.UNKNOWN_TICKER and record.symbol:
            found += look.at_gone(record)
        else:
            found.append(record)
    if look.left_over:
        LOG.info("the tickers of %d more instruments are asked for tomorrow", look.left_over)
    return broker.publish(kafka, found)


def ingest_splits(run_after: datetime) -> dict[str, int]:
    """Publish the splits of all tickers, and withdraw those that the vendor lists no more."""
    from include.surveillance import normalise

    payload = connections.polygon(connections.PATIENT_SECONDS).splits(_since(run_after))
    actions = _read_actions()
    return _publish("splits", normalise.splits(payload, actions.tickers), actions.splits, _since(run_after))


def ingest_dividends(run_after: datetime) -> dict[str, int]:
    """Publish the cash dividends of all tickers, and withdraw those that the vendor lists no more."""
    from include.surveillance import normalise

    payload = connections.polygon(connections.PATIENT_SECONDS).dividends(_since(run_after))
    actions = _read_actions()
    records = normalise.dividends(payload, polling.read_watchlist(), actions.tickers)
    return _publish("dividends", records, actions.dividends, _since(run_after))


class _Look:
    """Looks up what the vendor knows of single instruments."""

    def __init__(self, polygon: Polygon, known: Mapping[str, Instrument], run_after: datetime):
        self._polygon, self._known = polygon, known
        self._since, self._today = _since(run_after), f"{run_after:%Y-%m-%d}"
        self._left = MOST_LOOKED_UP
        self.left_over = 0

    def at_listed(self, instrument: Instrument) -> list[Instrument | Reject | TickerChange]:
        """Return an instrument that is traded with what its ticker was before, and the changes of it."""
        from msgspec.structs import replace

        from include.surveillance.records import TickerChange

        symbol, known = instrument.symbol, self._known.get(instrument.symbol)
        if known and known.ticker_since and _is_same(known, instrument):
            since, previous = known.ticker_since, known.previous_symbol
            return [replace(instrument, ticker_since=since, previous_symbol=previous, event_id="", revision="")]
        if not self._left:
            self.left_over += 1
            return [instrument]
        changes, rejects = self._changes(instrument.composite_figi or symbol)
        if changes and changes[-1].new_symbol == symbol:
            now = changes[-1]
            since, previous = now.date, now.symbol or None
            instrument = replace(instrument, ticker_since=since, previous_symbol=previous, event_id="", revision="")
            # Who was listed long ago has no bars of before that another instrument could have.
            return [instrument, *(it for it in changes if it.symbol or it.date >= self._since), *rejects]
        if known and not _is_same(known, instrument):
            taken = TickerChange(
                symbol="", new_symbol=symbol, date=self._today, composite_figi=instrument.composite_figi
            )
            return [instrument, taken, *rejects]
        return [instrument, *rejects]

    def at_gone(self, unknown: Reject) -> list[Instrument | Reject | TickerChange]:
        """Return what has become of a ticker that is not among the active ones: it was changed, or delisted."""
        from msgspec.structs import replace

        from include.surveillance import normalise
        from include.surveillance.records import Instrument, TickerChange

        assert unknown.symbol, "whoever calls has seen that"
        symbol, known = unknown.symbol, self._known.get(unknown.symbol)
        former = [it for it in normalise.delisted(self._polygon.delisted(symbol)) if isinstance(it, Instrument)]
        latest = former[0] if former else None
        figi = (known and known.composite_figi) or (latest and latest.composite_figi)
        changes, rejects = self._changes(figi or symbol)
        ended: list[Instrument | Reject | TickerChange] = []
        if latest:
            began = next((it for it in changes if it.new_symbol == symbol), None)
            since, previous = (began.date, began.symbol or None) if began else (None, None)
            ended = [replace(latest, ticker_since=since, previous_symbol=previous, event_id="", revision="")]
        if changes and changes[-1].new_symbol != symbol and any(it.symbol == symbol for it in changes):
            said = f"it trades as {changes[-1].new_symbol} since {changes[-1].date}: put that on the watchlist instead"
            moved = replace(unknown, reason="ticker changed", detail=said, event_id="")
            return [*ended, moved, *(it for it in changes if it.symbol), *rejects]
        if latest and latest.delisted_on:
            said = f"it was traded until {latest.delisted_on}: take it off the watchlist"
            gone = replace(unknown, reason="ticker delisted", detail=said, event_id="")
            after = date.fromisoformat(latest.delisted_on) + timedelta(days=1)
            given_up = TickerChange(symbol=symbol, new_symbol="", date=f"{after}", composite_figi=latest.composite_figi)
            return [*ended, gone, given_up, *rejects]
        return [unknown, *rejects]

    def _changes(self, identifier: str) -> tuple[list[TickerChange], list[Reject]]:
        from include.surveillance import normalise
        from include.surveillance.errors import EndpointEndedError
        from include.surveillance.records import Reject, TickerChange

        if not self._left:
            return [], []
        self._left -= 1
        try:
            records = normalise.ticker_changes(self._polygon.ticker_events(identifier))
        except EndpointEndedError as error:
            LOG.warning("changes of tickers are not known: %s", error)
            self._left = 0
            return [], []
        return [it for it in records if isinstance(it, TickerChange)], [it for it in records if isinstance(it, Reject)]


def _is_same(one: Instrument, other: Instrument) -> bool:
    """Say whether two descriptions of one ticker are of one instrument, by its FIGI or, where it has none, its name."""
    if one.composite_figi and other.composite_figi:
        return one.composite_figi == other.composite_figi
    return one.name == other.name


def _read_known(kafka: Mapping[str, str]) -> dict[str, Instrument]:
    """Read the newest reference data of each symbol."""
    from include.surveillance import broker, wire
    from include.surveillance.records import Instrument

    known = {}
    for raw in broker.read_compacted(kafka, broker.REFERENCE).values():
        try:
            record = wire.decode(raw)
        except wire.WireError:
            continue  # landing reports it
        if isinstance(record, Instrument):
            known[record.symbol] = record
    return known


def _read_actions() -> CorporateActions:
    from include.surveillance.live.background import read_actions

    return read_actions(connections.kafka())


def _publish(
    name: str,
    records: Sequence[Split | Dividend | Reject],
    known: Iterable[Split | Dividend],
    since: str,
) -> dict[str, int]:
    """Publish corporate actions, and delete what was published of that time before and is listed no more.

    An answer without any is no reason to delete all of them.
    """
    from include.surveillance import broker
    from include.surveillance.alerts.contradictions import describe_contradiction
    from include.surveillance.instruments import CONFLICTS, Objection
    from include.surveillance.records import Reject
    from include.surveillance.timespans import now_ms

    listed = {it.event_id for it in records if not isinstance(it, Reject)}
    withdrawn = [it.event_id for it in known if listed and it.date >= since and it.event_id not in listed]
    alerts = {
        (it.symbol, it.detail): describe_contradiction(it.symbol, Objection(it.reason, it.detail), now_ms(), "live")
        for it in records
        if isinstance(it, Reject) and it.symbol and it.reason in CONFLICTS
    }
    kafka = connections.kafka()
    with broker.transaction(kafka, f"reference-{name}", "reference") as transaction:
        transaction.send_all([*records, *alerts.values()])
        for event_id in withdrawn:
            transaction.send_raw(broker.BASELINES, None, key=event_id)
    return {"records": len(records), "withdrawn": len(withdrawn)}


def _since(run_after: datetime) -> str:
    return f"{run_after - SINCE:%Y-%m-%d}"

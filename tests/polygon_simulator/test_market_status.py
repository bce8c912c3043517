"""The market's status and its holidays."""

from __future__ import annotations

from datetime import datetime

from tests.polygon_simulator.constants import NOON


def test_market_status(client):
    status = client.get_market_status()
    assert (status.market, status.exchanges.nyse) == ("open", "open")
    assert datetime.fromisoformat(status.server_time).timestamp() * 1000 == NOON
    assert client.get_market_holidays() == []

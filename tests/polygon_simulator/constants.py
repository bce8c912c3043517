"""What the simulator's tests agree on: the time, the key, a crowd of symbols, a request."""

from __future__ import annotations

from include.surveillance.timespans import DAY_MS as DAY
from include.surveillance.timespans import MINUTE_MS as MINUTE

__all__ = ["CROWD", "DAY", "KEY", "LAST_HOUR", "MINUTE", "NOON"]

KEY = "a-key-for-tests"
NOON = 1_790_078_400_000  # 2026-09-22 12:00 UTC
CROWD = tuple(f"C{number}" for number in range(400))
LAST_HOUR = f"/v2/aggs/ticker/MSFT/range/1/minute/{NOON - 60 * MINUTE}/{NOON}"

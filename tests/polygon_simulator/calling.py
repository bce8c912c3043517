"""What a process of its own does: calls the vendor under a shared limit."""

from __future__ import annotations

from collections import Counter

from include.surveillance.errors import RateLimitedError
from include.surveillance.polygon.client import Polygon
from include.surveillance.polygon.rate_limit import RateLimit
from tests.polygon_simulator.constants import KEY


def call(vendor: str, redis_url: str, allowed: int, calls: int) -> Counter[str]:
    """How many calls were answered, held back by the limit, or refused by the vendor."""
    polygon = Polygon(KEY, vendor, rate_limit=RateLimit(redis_url, allowed, KEY))
    outcomes = Counter[str]()
    for _ in range(calls):
        try:
            polygon.check()
            outcomes["answered"] += 1
        except RateLimitedError as error:
            outcomes["429" if "429" in str(error) else "held back"] += 1
    return outcomes

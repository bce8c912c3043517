"""Every number that detection depends on, with a version that changes when any of them does."""

from __future__ import annotations

from functools import cached_property

import msgspec
from msgspec import Struct

from ..models import digest
from .rules import (
    AbnormalVolume,
    DataQuality,
    FeedFreshness,
    NewsImpact,
    PriceBreakout,
    PriceGap,
    VolatilitySpike,
)


class Parameters(Struct, frozen=True, kw_only=True, dict=True):
    """One field per rule, and what all share.

    Attributes:
        cooldown_bars: a firing at most so many bars' time after the last one continues its episode.
        session_reset: restart windows (not the percentile's history) each New York date.
    """

    abnormal_volume: AbnormalVolume = AbnormalVolume()
    volatility_spike: VolatilitySpike = VolatilitySpike()
    price_breakout: PriceBreakout = PriceBreakout()
    price_gap: PriceGap = PriceGap()
    news_impact: NewsImpact = NewsImpact()
    feed_freshness: FeedFreshness = FeedFreshness()
    data_quality: DataQuality = DataQuality()
    cooldown_bars: int = 15
    session_reset: bool = False

    @cached_property
    def version(self) -> str:
        """Eight hex digits over all values."""
        return digest(msgspec.json.encode(self, order="deterministic").decode())

    @cached_property
    def capacity(self) -> int:
        """Bars that the longest window needs before the current one."""
        return max(self.abnormal_volume.window, self.volatility_spike.window, self.price_breakout.window)

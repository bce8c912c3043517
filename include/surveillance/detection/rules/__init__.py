"""The rules, one file each, in the order in which they are evaluated at a record."""

from .abnormal_volume import AbnormalVolume
from .data_quality import DataQuality
from .feed_freshness import FeedFreshness
from .news_impact import NewsImpact
from .price_breakout import PriceBreakout
from .price_gap import PriceGap
from .rule import NOT_APPLICABLE, BarView, Firing, Rule, Verdict, WatermarkView
from .volatility_spike import VolatilitySpike

__all__ = [
    "NOT_APPLICABLE",
    "AbnormalVolume",
    "BarView",
    "DataQuality",
    "FeedFreshness",
    "Firing",
    "NewsImpact",
    "PriceBreakout",
    "PriceGap",
    "Rule",
    "Verdict",
    "VolatilitySpike",
    "WatermarkView",
]

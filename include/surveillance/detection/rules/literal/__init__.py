"""The rules in their literal form, one file each."""

from .abnormal_volume import AbnormalVolume
from .news_impact import NewsImpact
from .price_breakout import PriceBreakout
from .price_gap import PriceGap
from .volatility_spike import VolatilitySpike

__all__ = ["AbnormalVolume", "NewsImpact", "PriceBreakout", "PriceGap", "VolatilitySpike"]

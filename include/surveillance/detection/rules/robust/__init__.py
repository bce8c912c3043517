"""The rules in their robust form, one file each: held against a profile of the symbol."""

from .abnormal_volume import MEMORY as MEMORY_OF_VOLUME
from .abnormal_volume import AbnormalVolume
from .news_impact import NewsImpact
from .price_breakout import PriceBreakout
from .price_gap import PriceGap
from .volatility_spike import VolatilitySpike

__all__ = ["MEMORY_OF_VOLUME", "AbnormalVolume", "NewsImpact", "PriceBreakout", "PriceGap", "VolatilitySpike"]

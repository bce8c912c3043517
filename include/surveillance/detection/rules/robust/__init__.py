"""The rules in their robust form, one file each: held against a profile of the symbol."""

from include.surveillance.detection.rules.robust.abnormal_volume import MEMORY as MEMORY_OF_VOLUME
from include.surveillance.detection.rules.robust.abnormal_volume import AbnormalVolume
from include.surveillance.detection.rules.robust.news_impact import NewsImpact
from include.surveillance.detection.rules.robust.price_breakout import PriceBreakout
from include.surveillance.detection.rules.robust.price_gap import PriceGap
from include.surveillance.detection.rules.robust.volatility_spike import VolatilitySpike

__all__ = ["MEMORY_OF_VOLUME", "AbnormalVolume", "NewsImpact", "PriceBreakout", "PriceGap", "VolatilitySpike"]

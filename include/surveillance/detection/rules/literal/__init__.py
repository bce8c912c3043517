"""The rules in their literal form, one file each."""

from include.surveillance.detection.rules.literal.abnormal_volume import AbnormalVolume
from include.surveillance.detection.rules.literal.news_impact import NewsImpact
from include.surveillance.detection.rules.literal.price_breakout import PriceBreakout
from include.surveillance.detection.rules.literal.price_gap import PriceGap
from include.surveillance.detection.rules.literal.volatility_spike import VolatilitySpike

__all__ = ["AbnormalVolume", "NewsImpact", "PriceBreakout", "PriceGap", "VolatilitySpike"]

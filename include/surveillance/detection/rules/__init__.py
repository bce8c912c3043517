"""The rules: of bars, each in a literal and a robust form, and of the feed."""

from include.surveillance.detection.rules import literal, robust
from include.surveillance.detection.rules.data_quality import DataQuality
from include.surveillance.detection.rules.feed_freshness import FeedFreshness

BAR_RULES = ("abnormal_volume", "volatility_spike", "price_breakout", "price_gap")
"""Rules of bars, in the order in which they are measured: later ones use what earlier ones measured."""

MEMORY: dict[str, str] = {
    **literal.PriceGap.MEMORY,
    **robust.MEMORY_OF_VOLUME,
    **robust.VolatilitySpike.MEMORY,
    **robust.PriceBreakout.MEMORY,
    **robust.PriceGap.MEMORY,
}
"""Name -> dtype of what rules remember of a series; all start as zero."""

__all__ = ["BAR_RULES", "MEMORY", "DataQuality", "FeedFreshness", "literal", "robust"]

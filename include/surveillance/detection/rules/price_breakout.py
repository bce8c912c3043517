"""Price breakout: a close outside the range of the bars before it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from msgspec import Struct

from .. import words
from .rule import NOT_APPLICABLE, BarView, Firing, Verdict


class PriceBreakout(Struct, frozen=True):
    """The close is above the highest high, or below the lowest low, of the 20 previous bars.

    The 20 are the previous bars that exist, of all hours, over session borders; the current bar is not one of them.
    Touching the level is not a breakout. ``direction`` is up or down.

    Example: the 20 previous bars reached from 100.00 to 101.00 and this one closes at 101.50: above 101.00, so the
    rule fires up with value 101.50 and threshold 101.00.

    Warm-up: not applicable before 20 previous bars. Zero variance: when all 20 bars stand at one price, any other
    close is a breakout.
    Exceedance: 1 + distance beyond the level / width of the range; 2 when the range has no width. In the example
    1 + 0.50 / 1.00 = 1.5.

    Attributes:
        window: previous bars in the range.
    """

    name: ClassVar[str] = "price_breakout"
    version: ClassVar[int] = 1

    window: int = 20

    def extremes(self, highs: Sequence[float], lows: Sequence[float]) -> tuple[float | None, float | None]:
        """Highest high and lowest low of the last ``window`` previous bars; None when there are fewer."""
        if len(highs) < self.window:
            return None, None
        return max(highs[-self.window :]), min(lows[-self.window :])

    def evaluate(self, view: BarView) -> Verdict:
        bar, series, metric = view.bar, view.series, view.metric
        highest, lowest = metric.highest_high, metric.lowest_low
        if highest is None or lowest is None:
            return NOT_APPLICABLE
        if bar.close > highest:
            direction, level, side = "up", highest, "above the highest high"
        elif bar.close < lowest:
            direction, level, side = "down", lowest, "below the lowest low"
        else:
            return None
        width = highest - lowest
        return Firing(
            rule=self.name,
            version=self.version,
            ts_ms=bar.ts_ms,
            close_ms=bar.close_ms,
            polled_ms=bar.polled_ms,
            source=bar.source,
            direction=direction,
            value=bar.close,
            threshold=level,
            baseline=level,
            window_start_ms=series.ts[-self.window],
            window_end_ms=bar.ts_ms,
            exceedance=1 + (abs(bar.close - level) / width if width > 0 else 1),
            event_ids=(bar.event_id, *series.ids[-self.window :]),
            explanation=(
                f"{bar.symbol} closed at {words.price(bar.close)} "
                f"{words.during(bar.timespan, bar.ts_ms, metric.session_date)}, {side} of the {self.window} previous "
                f"bars ({words.price(level)})."
            ),
        )

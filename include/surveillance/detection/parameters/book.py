"""Every number that detection depends on: by rule, by whom it is for and from when, versioned as a whole."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import msgspec
import yaml
from msgspec import Struct
from msgspec.structs import replace

from include.surveillance.detection.parameters.overrides import SCOPES, Override, changed, known, parse
from include.surveillance.detection.rules import DataQuality, FeedFreshness, literal, robust
from include.surveillance.errors import ConfigurationError
from include.surveillance.records import digest

DEFAULT = Path(__file__).parents[2] / "parameters.yaml"
RuleForm = Literal["literal", "robust"]


class RobustParameters(Struct, frozen=True, kw_only=True):
    """One field per rule that has a robust form."""

    abnormal_volume: robust.AbnormalVolume = robust.AbnormalVolume()
    volatility_spike: robust.VolatilitySpike = robust.VolatilitySpike()
    price_breakout: robust.PriceBreakout = robust.PriceBreakout()
    price_gap: robust.PriceGap = robust.PriceGap()
    news_impact: robust.NewsImpact = robust.NewsImpact()


class Parameters(Struct, frozen=True, kw_only=True, dict=True):
    """One field per rule in its literal form, the robust forms, and what all share.

    Attributes:
        rules: which form raises alerts.
        cooldown_bars: a firing at most so many bars' time after the last one continues its episode.
        session_reset: restart windows (not the percentile's history) each New York date.
        market_breadth: share of the watched symbols above which alerts of one minute are one event of the market.
        market_minimum: symbols that such an event needs at least.
    """

    abnormal_volume: literal.AbnormalVolume = literal.AbnormalVolume()
    volatility_spike: literal.VolatilitySpike = literal.VolatilitySpike()
    price_breakout: literal.PriceBreakout = literal.PriceBreakout()
    price_gap: literal.PriceGap = literal.PriceGap()
    news_impact: literal.NewsImpact = literal.NewsImpact()
    feed_freshness: FeedFreshness = FeedFreshness()
    data_quality: DataQuality = DataQuality()
    robust: RobustParameters = RobustParameters()
    rules: RuleForm = "robust"
    cooldown_bars: int = 15
    session_reset: bool = False
    market_breadth: float = 0.05
    market_minimum: int = 5

    @cached_property
    def version(self) -> str:
        """Eight hex digits over all values."""
        return digest(_encode(self))

    @cached_property
    def capacity(self) -> int:
        """Bars that the longest window needs before the current one."""
        literal_rules = (self.abnormal_volume, self.volatility_spike, self.price_breakout)
        # A true range also needs the close before it.
        return max(*(rule.window for rule in literal_rules), self.robust.volatility_spike.window,
                   self.robust.price_breakout.window + 1)  # fmt: skip


class ParameterBook:
    """The base and what overrides it; the same input always resolves to the same parameters.

    global < asset class < liquidity < symbol; within one scope the later date holds. The order in which overrides
    are given does not matter.

    Args:
        base: what holds where nothing overrides it.
        overrides: of any order.

    Raises:
        ConfigurationError: an override names what does not exist or may not be overridden, or two contradict.
    """

    def __init__(self, base: Parameters = Parameters(), overrides: Iterable[Override] = ()):  # noqa: B008 - frozen
        self.base = base
        overrides = tuple(overrides)
        for override in overrides:
            override.check(base)
        self.overrides = tuple(sorted(overrides, key=lambda one: (SCOPES.index(one.scope), one.effective, one.target)))
        self._resolved: dict[tuple[int, ...], Parameters] = {}
        seen: set[tuple[str, ...]] = set()
        for override in self.overrides:
            for field in override.set:
                place = (*override.target, override.effective, field)
                if place in seen:
                    raise ConfigurationError(f"{override.name} sets {field} twice; keep one of the two entries")
                seen.add(place)

    @classmethod
    def default(cls) -> ParameterBook:
        """What the platform ships: ``include/surveillance/parameters.yaml``."""
        return cls.load(DEFAULT)

    @classmethod
    def load(cls, path: Path) -> ParameterBook:
        """From YAML with keys ``base`` (fields of Parameters) and ``overrides`` (a list); both may be left out.

        Raises:
            ConfigurationError: unreadable, or an entry is unusable; the message names it and what is allowed.
        """
        try:
            given = yaml.safe_load(path.read_text()) or {}
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            raise ConfigurationError(f"parameters {path} cannot be read: {error}") from error
        try:
            known(given, ("base", "overrides"), "the file")
            overrides = given.get("overrides") or []
            if not isinstance(overrides, list):
                raise ConfigurationError("overrides is no list; write each entry after a dash")
            base = changed(Parameters(), given.get("base") or {}, "base")
            return cls(base, [parse(entry, f"overrides, entry {number}") for number, entry in enumerate(overrides, 1)])
        except ConfigurationError as error:
            raise ConfigurationError(f"parameters {path}: {error}") from None

    def with_(self, *, session_reset: bool | None = None, rules: RuleForm | None = None) -> ParameterBook:
        """A book with another base; None keeps what is."""
        given = {"session_reset": session_reset, "rules": rules}
        return ParameterBook(
            replace(self.base, **{name: value for name, value in given.items() if value is not None}), self.overrides
        )

    @cached_property
    def regimes(self) -> tuple[str, ...]:
        """New York dates from which something changes, sorted; the first is empty: from the beginning."""
        return ("", *sorted({override.effective for override in self.overrides}))

    def resolve(self, date: str) -> Parameters:
        """What holds on a New York date (YYYY-MM-DD) for symbols of which nothing is known."""
        return self.resolve_for(date, "", "", "")

    def resolve_for(self, date: str, symbol: str, asset_class: str, liquidity: str) -> Parameters:
        """What holds for one symbol on a New York date; an empty text is unknown."""
        whom = {"global": "", "asset_class": asset_class, "liquidity": liquidity, "symbol": symbol}
        chosen = tuple(
            number
            for number, override in enumerate(self.overrides)
            if override.effective <= date and override.of == whom[override.scope]
        )
        if chosen not in self._resolved:
            resolved = self.base
            for number in chosen:
                resolved = self.overrides[number].applied(resolved)
            self._resolved[chosen] = resolved
        return self._resolved[chosen]

    def version(self, date: str) -> str:
        """Eight hex digits over all that is in force on a New York date, for anyone; not over the reasons."""
        held: dict[tuple[str, ...], Any] = {}
        for override in self.overrides:
            if override.effective <= date:
                for field, value in override.set.items():
                    place = (*override.target, field)
                    held[place] = held.get(place, {}) | value if isinstance(value, dict) else value
        return digest(_encode(self.base), _encode(sorted(held.items()))) if held else self.base.version


def _encode(value: Any) -> str:
    return msgspec.json.encode(value, order="deterministic").decode()

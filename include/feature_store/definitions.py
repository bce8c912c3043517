"""What the feature store serves, in Feast's terms: the rows of the dbt models ``feature_*`` with ``is_newest``.

The time of each feature is when its value was known, so that neither a training set nor an online read can see what
came later. Columns are named in quotes, since Feast quotes them, too.
"""

from __future__ import annotations

from datetime import timedelta

from feast import Entity, FeatureService, FeatureView, Field, SnowflakeSource, ValueType
from feast.types import Float64, Int64, PrimitiveFeastType, String

# Older values are not how a symbol stands: a weekend and a holiday.
LIFETIME = timedelta(days=5)

SYMBOL = Entity(
    name="symbol", join_keys=["symbol"], value_type=ValueType.STRING, description="Ticker, as the vendor writes it."
)
TIMESPAN = Entity(
    name="timespan",
    join_keys=["timespan"],
    value_type=ValueType.STRING,
    description="Length of the bar: minute, 5minute, 15minute, hour or day.",
)


def _view(name: str, model: str, entities: list[Entity], features: dict[str, PrimitiveFeastType]) -> FeatureView:
    keys = {entity.join_key: String for entity in entities}
    columns = ", ".join(f'{column} as "{column}"' for column in [*keys, *features, "known_at"])
    return FeatureView(
        name=name,
        entities=entities,
        ttl=LIFETIME,
        schema=[Field(name=column, dtype=dtype) for column, dtype in (keys | features).items()],
        source=SnowflakeSource(
            name=model,
            query=f"select {columns} from analytics.{model} where is_newest",
            timestamp_field="known_at",
        ),
        description=f"How it stands by {model}; the columns are described there.",
    )


BAR = _view(
    "bar_v1",
    "feature_bar_v1",
    [SYMBOL, TIMESPAN],
    dict.fromkeys(("rvol", "volume_z", "volatility_ratio", "breakout_atr", "log_return"), Float64),
)
SYMBOL_DAY = _view(
    "symbol_day_v1",
    "feature_symbol_day_v1",
    [SYMBOL],
    {
        **dict.fromkeys(
            ("day_return", "volatility", "highest_rvol", "highest_volume_z", "gap", "gap_range", "rarity_sessions"),
            Float64,
        ),
        "alerts": Int64,
        "retracted_alerts": Int64,
    },
)
VIEWS = (BAR, SYMBOL_DAY)
ALERT_TRIAGE = FeatureService(
    name="alert_triage_v1", features=list(VIEWS), description="What is known of an alert's symbol when it is raised."
)

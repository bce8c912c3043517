"""A field that is overridden holds where it is: in what fires, in its numbers and in its sentence."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from msgspec import Struct, structs

from include.surveillance.detection.parameters.overrides import Override
from include.surveillance.detection.parameters.values import Parameters
from include.surveillance.detection.rules.bar_rule import FORMS, structural_fields
from include.surveillance.detection.rules.registry import BAR_RULES, RULES, RobustRules
from include.surveillance.records import Alert, Record
from tests.surveillance.detection.market import DAY, OPEN, SLOTS, bar, calm, news, profile, run, watermark, whole_day

NEXT = OPEN + DAY


def jumping(symbol: str) -> list[Record]:
    """Prices that tremble for long enough to have a history, and then jump."""
    tremble = np.random.default_rng(1).normal(0, 1e-4, 140)
    tremble[130] = 0.01
    level = {"high": 130.0, "low": 70.0, "symbol": symbol}
    return [bar(i, close=float(price), **level) for i, price in enumerate(100 * np.exp(np.cumsum(tremble)))]


def pumped(symbol: str, factor: float = 1.0) -> list[Record]:
    """Day bars of a share that is quiet, rises on volume and falls back."""
    moves = [(1.0, 1000.0)] * 20 + [(1.4, 5000.0), (1.6, 5000.0), (1.25, 3000.0), (1.1, 1000.0)]
    midnight = OPEN - int(9.5 * 3_600_000)
    return [
        bar(number, close=price * factor, open=price * factor, high=price * factor, low=price * factor, volume=volume,
            timespan="day", start=midnight, symbol=symbol)
        for number, (price, volume) in enumerate(moves)
    ]  # fmt: skip


SCENES: dict[str, list[Record]] = {
    "burst": [*calm(symbol="BURST"), bar(20, volume=46_000, symbol="BURST")],
    "burst after nothing": [*calm(volume=0, symbol="NONE"), bar(20, volume=46_000, symbol="NONE")],
    "cheap burst": [
        bar(i, volume=55_000 if i == 20 else 1000, close=0.2, high=0.2, low=0.2, symbol="CHEAP") for i in range(21)
    ],
    "jump": jumping("JUMP"),
    "way out up": [*calm(symbol="UP"), bar(20, volume=20_000, close=101.9, symbol="UP")],
    "way out down": [*calm(symbol="DOWN"), bar(20, volume=20_000, close=98.1, symbol="DOWN")],
    "way out after the close": [
        *calm(first=391, symbol="POST"),
        bar(411, volume=20_000, close=101.9, symbol="POST"),
    ],
    "gap": [*calm(symbol="GAP"), bar(0, start=NEXT, close=103.0, symbol="GAP")],
    "news before": [news(12, symbol="EARLY"), *calm(symbol="EARLY"), bar(20, volume=46_000, symbol="EARLY")],
    "news after": [news(21, symbol="LATE"), *calm(symbol="LATE"), bar(20, volume=46_000, symbol="LATE")],
    "pump and dump": pumped("PUMP"),
    "dear pump and dump": pumped("DEAR", 40.0),
    "silence": [bar(0, symbol="SILENT"), watermark(17, symbol="SILENT"), watermark(40, symbol="SILENT")],
    "silence of an unknown symbol": [bar(0, symbol="STILL"), watermark(17, symbol="STILL")],
    "rejects": [bar(0, symbol="BROKEN"), watermark(1, symbol="BROKEN", bars=3, rejected=1)],
}
RECORDS = [record for scene in SCENES.values() for record in scene]
SYMBOLS = sorted({record.symbol for record in RECORDS})
PROFILES = {
    "literal": [],
    # Of STILL nothing is known; SILENT has nearly all of its bars.
    "robust": [
        profile(symbol=symbol, presence=[0.9 if symbol == "SILENT" else 0.3] * SLOTS)
        if symbol != "POST"
        else whole_day(symbol=symbol)
        for symbol in SYMBOLS
        if symbol != "STILL"
    ],
}


def has_forms(name: str) -> bool:
    return name in RobustRules.__struct_fields__


def shipped(form: str, name: str) -> Struct:
    return getattr(Parameters().in_form(form if has_forms(name) else None), name)


FIELDS = [
    (form, name, field)
    for name in RULES
    for form in (FORMS if has_forms(name) else ("literal",) if name in BAR_RULES["literal"] else ("robust",))
    for field in shipped(form, name).__struct_fields__
    if field not in structural_fields(type(shipped(form, name)))
]
"""(form that alerts, rule, field) of every field that can be overridden."""


def others(field: str, value: object) -> list[object]:
    """Values that a field may have instead of its own."""
    if isinstance(value, dict):
        return [value | {"minute": minutes} for minutes in (0.0, 7.0, 30.0)]
    return [type(value)(other) for other in (0, value / 2, value * 2, max(value, 1) * 3, max(value, 1) * 100)]


def detected(form: str, parameters: Parameters, overrides: tuple[Override, ...] = ()) -> list[Alert]:
    """All alerts; the version of the parameters, which differs by nature, is left out."""
    given = {name: getattr(parameters, name) for name in parameters.__struct_fields__} | {"alerting_form": form}
    found = run(RECORDS, profiles=PROFILES[form], overrides=overrides, **given)
    return [structs.replace(alert, parameters_version="") for alert in found.alerts]


@cache
def as_shipped(form: str) -> list[Alert]:
    return detected(form, Parameters())


def changed_base(form: str, name: str, field: str, value: object) -> Parameters:
    changed = {name: structs.replace(shipped(form, name), **{field: value})}
    if form == "robust" and has_forms(name):
        return Parameters(robust=RobustRules(**changed))
    return Parameters(**changed)


def override(form: str, name: str, field: str, value: object, **over) -> Override:
    about = {"effective": "2019-01-01", "rationale": "a test"} | over
    return Override(rule=name, form=form if has_forms(name) else None, set={field: value}, **about)


@pytest.mark.parametrize("form", FORMS)
def test_the_market_of_this_test_makes_every_rule_fire(form):
    of_form = {name for one, name, _ in FIELDS if one == form}
    assert of_form <= {alert.rule for alert in as_shipped(form)}


@pytest.mark.parametrize(("form", "name", "field"), FIELDS)
def test_overridden_it_changes_an_outcome(form, name, field):
    values = others(field, getattr(shipped(form, name), field))
    found = [detected(form, Parameters(), (override(form, name, field, value),)) for value in values]
    assert any(alerts != as_shipped(form) for alerts in found)


@pytest.mark.parametrize(("form", "name", "field"), FIELDS)
def test_an_override_for_everybody_is_the_same_as_another_base(form, name, field):
    """So no number and no sentence goes by the base where something else is in force."""
    for value in others(field, getattr(shipped(form, name), field)):
        overridden = detected(form, Parameters(), (override(form, name, field, value),))
        assert overridden == detected(form, changed_base(form, name, field, value))


@pytest.mark.parametrize("theirs", [SYMBOLS[::2], SYMBOLS[1::2]], ids=["even", "odd"])
@pytest.mark.parametrize(("form", "name", "field"), FIELDS)
def test_an_override_for_some_leaves_the_others_as_they_are(form, name, field, theirs):
    for value in others(field, getattr(shipped(form, name), field)):
        overrides = tuple(override(form, name, field, value, scope="symbol", whom=symbol) for symbol in theirs)
        everybody = detected(form, changed_base(form, name, field, value))
        expected = [alert for alert in everybody if alert.symbol in theirs]
        expected += [alert for alert in as_shipped(form) if alert.symbol not in theirs]
        assert sorted(detected(form, Parameters(), overrides), key=_order) == sorted(expected, key=_order)


def test_the_sentence_after_no_volume_quotes_the_limit_in_force():
    given = override("literal", "abnormal_volume", "multiple", 9.0)
    (alert,) = [alert for alert in detected("literal", Parameters(), (given,)) if alert.symbol == "NONE"]
    assert alert.explanation.endswith("against the mean of the 20 previous bars (0); the limit is 9 times (0).")


def _order(alert: Alert) -> tuple[str, int, str, str, int]:
    return alert.symbol, alert.ts_ms, alert.rule, alert.direction, alert.firings

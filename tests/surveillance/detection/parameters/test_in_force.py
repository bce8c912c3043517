"""Limits per bar are what the book resolves for each bar by itself."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from include.surveillance.detection.parameters.book import ParameterBook
from include.surveillance.detection.parameters.in_force import ParametersInForce
from include.surveillance.detection.parameters.overrides import Override
from include.surveillance.detection.parameters.values import Budget, Parameters
from include.surveillance.detection.positions import date_ordinal, iso_date
from include.surveillance.detection.profile_columns import ProfileColumns
from include.surveillance.detection.rules.registry import BAR_RULES, PRIORS, TAILED
from include.surveillance.detection.segments import Segments
from include.surveillance.records import Tail
from tests.surveillance.detection.market import profile

DAYS = ("2026-01-05", "2026-02-02", "2026-03-02")
FIRST, LAST = date_ordinal("2025-12-30"), date_ordinal("2026-03-05")
PROFILES = [profile(symbol="A"), profile(symbol="A", liquidity="thin"), profile(symbol="B", asset_class="ETF")]
COLUMNS = ProfileColumns.from_records(PROFILES, TAILED, PRIORS)
TAIL = Tail(
    rule="abnormal_volume", part="regular", sessions=40, scores=[(30, 40)],
    levels=[1.0, 1.2, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0, 5.0, 6.0, 7.0],
)  # fmt: skip
OF = {"A": (-1, 0, 1), "B": (-1, 2), "C": (-1,)}
SCOPES = {"global": ("",), "symbol": ("A", "C"), "liquidity": ("thin", "liquid"), "asset_class": ("ETF",)}

overrides = st.builds(
    lambda form, scope, effective, value: Override(
        rule="abnormal_volume", form=form, scope=scope[0], whom=scope[1], effective=effective, rationale="why",
        set={"multiple" if form == "literal" else "z": value},
    ),
    st.sampled_from(["literal", "robust"]),
    st.sampled_from([(scope, whom) for scope, names in SCOPES.items() for whom in names]),
    st.sampled_from(DAYS),
    st.floats(0, 9),
)  # fmt: skip


class Scan(SimpleNamespace):
    def __len__(self) -> int:
        return len(self.profile)


@st.composite
def scans(draw) -> Scan:
    """Bars of three series; dates and profiles only rise within each."""
    date, number, start = [], [], [0]
    for symbol in OF:
        count = draw(st.integers(0, 12))
        date += sorted(draw(st.lists(st.integers(FIRST, LAST), min_size=count, max_size=count)))
        number += sorted(draw(st.lists(st.sampled_from(OF[symbol]), min_size=count, max_size=count)))
        start.append(len(date))
    start, end = np.array(start[:-1]), np.array(start[1:])
    keys = [(symbol, "minute") for symbol in OF]
    code = np.repeat(np.arange(3), end - start)
    return Scan(
        bars=SimpleNamespace(keys=keys, code=code, key=lambda index: keys[code[index]]),
        segments=Segments(np.arange(3), start, start, start, end, end),
        positions=SimpleNamespace(date=np.array(date, np.int32), regular=np.ones(len(date), bool)),
        profile=np.array(number, np.int32),
    )


@given(scans(), st.lists(overrides, max_size=6, unique_by=lambda one: (one.target, one.effective)))
def test_every_bar_has_what_the_book_resolves_for_it(scan, chosen):
    book = ParameterBook(overrides=chosen)
    in_force = ParametersInForce(book, COLUMNS, TAILED)
    for form, field in (("literal", "multiple"), ("robust", "z")):
        rule = BAR_RULES[form]["abnormal_volume"]
        limits = in_force.limits(rule, scan)(field)
        assert limits.shape == (len(scan),)
        for index in range(len(scan)):
            symbol, number = scan.bars.key(index)[0], int(scan.profile[index])
            known = PROFILES[number] if number >= 0 else SimpleNamespace(asset_class="", liquidity="")
            day = iso_date(int(scan.positions.date[index]))
            parameters = book.resolve_for(day, symbol, known.asset_class, known.liquidity)
            expected = getattr(parameters.in_form(form).abnormal_volume, field)
            assert limits[index] == expected == in_force.limits_at(rule, scan, index)(field)
            assert in_force.version(int(scan.positions.date[index])) == book.version(day)


def test_a_field_that_no_rule_has_is_an_error():
    scan = Scan(profile=np.zeros(2, np.int32))
    with pytest.raises(AttributeError, match="multipel"):
        ParametersInForce(ParameterBook(), COLUMNS, TAILED).limits(BAR_RULES["literal"]["abnormal_volume"], scan)(
            "multipel"
        )


@pytest.mark.parametrize(
    ("tails", "floor", "expected"),
    [
        ([], None, 4.0),
        ([], 5.0, 5.0),
        ([TAIL], None, 2.0),
        ([TAIL], 1.5, 2.0),
        ([TAIL], 3.0, 3.0),
        ([TAIL], 4.0, 2.0),  # the default, which is none
        ([replace(TAIL, part="around")], None, 6.5),
        ([replace(TAIL, part="around")], 7.0, 7.0),
    ],
)
def test_the_budget_sets_the_threshold_and_what_is_set_is_a_floor(tails, floor, expected):
    """Once in 32 sessions is the fourth of the levels; 6.5 is what the rule holds for it while nothing is known."""
    known = profile(symbol="A", carried=40 if tails else 0, range_long=0.02 if tails else None, tails=tails)
    columns = ProfileColumns.from_records([known], TAILED, PRIORS)
    set_z = [] if floor is None else [
        Override(rule="abnormal_volume", form="robust", effective="2026-01-01", rationale="why", set={"z": floor})
    ]  # fmt: skip
    budget = Budget(alerts_per_symbol_session=1 / 32, shares={"abnormal_volume": 1.0})
    in_force = ParametersInForce(ParameterBook(Parameters(budget=budget), set_z), columns, TAILED)
    scan = Scan(
        bars=SimpleNamespace(keys=[("A", "minute")], code=np.zeros(2, np.int32), key=lambda index: ("A", "minute")),
        positions=SimpleNamespace(date=np.full(2, date_ordinal("2026-01-05"), np.int32), regular=np.ones(2, bool)),
        profile=np.array([-1, 0], np.int32),
    )
    rule = BAR_RULES["robust"]["abnormal_volume"]
    alone, held = in_force.limits(rule, scan)("z").tolist()
    assert alone == (floor or 4.0), "without a profile there is no tail"
    assert held == pytest.approx(expected)
    assert in_force.limits_at(rule, scan, 1)("z") == held

"""Limits per bar are what the book resolves for each bar by itself."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.surveillance.detection.parameters.book import ParameterBook
from include.surveillance.detection.parameters.in_force import ParametersInForce
from include.surveillance.detection.parameters.overrides import Override
from include.surveillance.detection.positions import date_ordinal, iso_date
from include.surveillance.detection.rules.registry import BAR_RULES
from include.surveillance.detection.segments import Segments
from tests.surveillance.detection.market import profile

DAYS = ("2026-01-05", "2026-02-02", "2026-03-02")
FIRST, LAST = date_ordinal("2025-12-30"), date_ordinal("2026-03-05")
PROFILES = [profile(symbol="A"), profile(symbol="A", liquidity="thin"), profile(symbol="B", asset_class="ETF")]
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
        positions=SimpleNamespace(date=np.array(date, np.int32)),
        profile=np.array(number, np.int32),
    )


@given(scans(), st.lists(overrides, max_size=6, unique_by=lambda one: (one.target, one.effective)))
def test_every_bar_has_what_the_book_resolves_for_it(scan, chosen):
    book = ParameterBook(overrides=chosen)
    in_force = ParametersInForce(book, PROFILES)
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
        ParametersInForce(ParameterBook(), []).limits(BAR_RULES["literal"]["abnormal_volume"], scan)("multipel")

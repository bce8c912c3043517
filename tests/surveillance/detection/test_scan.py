"""A scan: measures in the shares of each bar's own day, windows that restart, profiles as arrays."""

from __future__ import annotations

import numpy as np
import pytest

from include.surveillance.detection.findings import Evaluation
from include.surveillance.detection.profile_columns import ProfileColumns
from include.surveillance.detection.scan import ProfileTable
from include.surveillance.detection.state import State
from include.surveillance.records import Split
from tests.surveillance.detection.market import DAY, OPEN, SLOTS, at, bar, calm, engine, evaluate, profile

SPLIT = Split(symbol="NVDA", execution_date="2019-02-15", split_from=1, split_to=4)
"""From the second day on, a share is a quarter of what it was."""
DAYS = [*calm(21), *[bar(i, start=OPEN + DAY, close=25.0, high=25.2, low=24.8, volume=4000) for i in range(21)]]


def scanned(**given) -> Evaluation:
    return evaluate(engine(**given), State("exact"), DAYS)


def test_measures_are_in_the_shares_of_each_bars_own_day():
    measures = scanned(splits=[SPLIT]).measures
    assert measures["highest_high"][20] == pytest.approx(100.5)
    assert measures["highest_high"][21] == pytest.approx(100.5 / 4)
    assert measures["volume_mean"][20] == pytest.approx(1000)
    assert measures["volume_mean"][21] == pytest.approx(4000)
    assert measures["previous_close"][21] == pytest.approx(25.0)
    assert measures["return_std"][21] == pytest.approx(0, abs=1e-9)
    assert measures["gap"][21] == pytest.approx(0)


def test_without_a_split_nothing_is_adjusted():
    scan = scanned().scan
    assert scan.share_factor is None
    assert not scan.adjusts(30)
    assert scan.open is scan.bars.open
    assert scan.shares_of_profile() is None


def test_a_share_of_today_in_shares_of_the_profile():
    """The profile holds from before the split: a share of the second day is a quarter of one of its own."""
    scan = scanned(splits=[SPLIT], profiles=[profile(effective_ms=at(10))]).scan
    shares = scan.shares_of_profile()
    assert shares[:21] == pytest.approx(np.ones(21))
    assert shares[21:] == pytest.approx(np.full(21, 1 / 4))
    assert (scan.adjusts(20), scan.adjusts(21)) == (False, True)


def test_windows_restart_with_the_date_when_asked():
    plain, restarted = (scanned(session_reset=reset).measures for reset in (False, True))
    for name in ("volume_mean", "highest_high", "lowest_low"):
        assert not np.isnan(plain[name][21:]).any()
        assert np.isnan(restarted[name][21:41]).all()
        assert restarted[name][41] == plain[name][41]
    assert np.isnan(restarted["return_std"][21:41]).all()


def test_a_measure_that_is_not_written_is_not_applicable():
    scan = scanned().scan
    assert np.isnan(scan.new_measure("example")).all()
    assert scan.unset_measure("price", "price").shape == (42,)
    assert (scan.units["example"], scan.units["price"]) == ("", "price")


def test_profiles_as_arrays():
    short = profile(volume_level=[2.0], volume_scale=[0.1], return_factor=[3.0], volatility_fire=0.5)
    profiles = ProfileColumns.from_records([profile(), short])
    table = ProfileTable.from_profiles(profiles, np.array([1.0, 4.0]), SLOTS)
    assert table.volume_level.shape == (2, SLOTS)
    assert table.volume_level[1, 0] == 2.0
    assert np.isnan(table.volume_level[1, 1:]).all()
    assert table.volatility_fire.tolist() == [0.002, 0.5]
    assert table.share_factor.tolist() == [1.0, 4.0]
    none = ProfileTable.from_profiles(ProfileColumns.from_records([]), np.empty(0), 3)
    assert none.volume_level.shape == (0, 3)

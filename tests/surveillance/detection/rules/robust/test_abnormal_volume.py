"""The robust volume rule: what it measures, and that batches leave no trace in it."""

from __future__ import annotations

from dataclasses import replace
from math import log
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from include.surveillance.alerts import wording
from include.surveillance.detection.positions import CLOSED, REGULAR, TradingCalendar
from include.surveillance.detection.profiles.build import build_profiles
from include.surveillance.detection.rules.robust.abnormal_volume import (
    LEAST_SCALE,
    RobustAbnormalVolume,
    VolumeBars,
    VolumeMemory,
    measure_volume,
)
from include.surveillance.detection.segments import Segments
from include.surveillance.sessions import Sessions
from tests.surveillance.detection.market import OPEN, SLOTS, bar, calm, fired, profile, run
from tests.surveillance.detection.profiles.test_build import history, ordinal

MINUTE = 60_000
XNYS = Sessions("XNYS")
OPENS = XNYS.arrays()[0]
START = ordinal("2023-01-03")


def memory(rows: int) -> VolumeMemory:
    return VolumeMemory(*(np.zeros(rows, dtype) for dtype in RobustAbnormalVolume.memory.values()))


def volume_bars(ts, session, slot, volume, profile) -> VolumeBars:
    """Bars of the regular session, but for those without a slot."""
    phase = np.where(slot >= 0, REGULAR, CLOSED).astype(np.uint8)
    return VolumeBars(ts, session, phase, phase == REGULAR, slot, volume, profile)


def measured(ts, volume, level, scale, *, session=None, slot=None, cuts=(), settle_back=0, keep=20):
    """(recent, rvol, z) of one series; at each of ``cuts`` a new call starts, with 20 bars to look back on."""
    n = len(ts)
    session = np.full(n, 19_000, np.int32) if session is None else session
    slot = np.zeros(n, np.int16) if slot is None else slot
    profile, remembered = np.zeros(n, np.int32), memory(1)
    out = [np.full(n, -1.0) for _ in range(3)]
    settled = 0
    for end in (*sorted(cuts), n):
        lo, cut, settle = max(0, settled - keep), settled, max(settled, end - settle_back)
        part = slice(lo, end)
        found = [np.full(end - lo, -1.0) for _ in range(3)]
        measure_volume(
            volume_bars(ts[part], session[part], slot[part], volume[part], profile[part]),
            np.atleast_2d(np.array(level, dtype=float)),
            np.atleast_2d(np.array(scale, dtype=float)),
            np.zeros(1, bool),
            Segments(*(np.array([number]) for number in (0, 0, cut - lo, cut - lo, settle - lo, end - lo))),
            np.array([MINUTE]),
            remembered,
            *found,
        )
        for array, values in zip(out, found, strict=True):
            array[cut:end] = values[cut - lo :]
        settled = settle
    return out, remembered


def real_looking(count: int = 6):
    """Bars of ``count`` sessions with gaps in them, where they lie, and the profile that the first four give."""
    bars = history("2023-01-03", count)
    bars = bars.take(np.flatnonzero(np.random.default_rng(5).random(len(bars)) < 0.8))
    positions = TradingCalendar(XNYS).locate_bars(bars.ts, np.zeros(1, np.int64), np.full(1, len(bars)), ["minute"])
    (profile,) = build_profiles(bars, XNYS, effective_ms=int(OPENS[START + 4]))
    return bars, positions, profile


BARS, POSITIONS, PROFILE = real_looking()


@settings(max_examples=40, deadline=None)
@given(
    cuts=st.lists(st.integers(1, len(BARS) - 1), max_size=30, unique=True),
    settle_back=st.integers(0, 20),
)
def test_cutting_into_calls_changes_no_bit(cuts, settle_back):
    where = {"session": POSITIONS.session, "slot": POSITIONS.slot}
    once, left = measured(BARS.ts, BARS.volume, PROFILE.volume_level, PROFILE.volume_scale, **where)
    pieces, _ = measured(
        BARS.ts,
        BARS.volume,
        PROFILE.volume_level,
        PROFILE.volume_scale,
        **where,
        cuts=cuts,
        settle_back=settle_back,
    )
    for whole, cut in zip(once, pieces, strict=True):
        assert whole.tobytes() == cut.tobytes()
    _, left_again = measured(BARS.ts, BARS.volume, PROFILE.volume_level, PROFILE.volume_scale, **where, cuts=cuts)
    assert [array.tobytes() for array in left] == [array.tobytes() for array in left_again]


def test_the_formula_by_hand():
    ts = np.array([0, 1, 2, 3, 9]) * MINUTE
    (recent, rvol, z), _ = measured(ts, np.array([99.0, 100, 200, 600, 50]), [np.log(100)], [0.5])
    assert recent.tolist() == [99, 199, 399, 999, 50]
    assert rvol == pytest.approx([1, 2, 4, 10, 0.51])
    # Nothing before: the day's level is zero. Then bars of 0, ln 2 (counted as 0.5) and so on, faded by the minute.
    fade, prior = 0.5 ** (1 / 40), 20.0
    assert z[0] == pytest.approx(0, abs=1e-12)
    assert z[1] == pytest.approx(np.log(2) / 0.5)
    level = 0.5 * fade / (fade * fade + fade + prior)
    assert z[2] == pytest.approx((np.log(4) - level) / 0.5)


def test_scaling_volumes_leaves_z():
    times = 1_000.0  # large counts, for the 1 in ln(1 + shares) does not scale
    scaled = replace(BARS, volume=BARS.volume * times)
    (profile,) = build_profiles(scaled, XNYS, effective_ms=int(OPENS[START + 4]))
    where = {"session": POSITIONS.session, "slot": POSITIONS.slot}
    (_, rvol, z), _ = measured(BARS.ts, BARS.volume, PROFILE.volume_level, PROFILE.volume_scale, **where)
    (_, rvol_scaled, z_scaled), _ = measured(
        BARS.ts, scaled.volume, profile.volume_level, profile.volume_scale, **where
    )
    assert z_scaled == pytest.approx(z, abs=2e-3)
    assert rvol_scaled == pytest.approx(rvol, rel=1e-3)


def test_no_dispersion_has_the_least_scale():
    ts = np.arange(4) * 10 * MINUTE
    (_, rvol, z), _ = measured(ts, np.array([99.0, 99, 99, 999]), [np.log(100)], [0.0])
    assert z == pytest.approx([0, 0, 0, np.log(10) / LEAST_SCALE])
    assert rvol[3] == pytest.approx(10)


def test_not_applicable_without_profile_or_session():
    ts, n = np.arange(3) * MINUTE, 3
    out = [np.zeros(n) for _ in range(3)]
    left = memory(1)
    one = np.ones(1, np.int64)
    measure_volume(
        volume_bars(
            *(ts, np.full(n, 19_000, np.int32), np.array([0, -1, 0], np.int16)),
            *(np.full(n, 100.0), np.array([-1, 0, -1], np.int32)),
        ),
        np.ones((1, 1)),
        np.ones((1, 1)),
        np.zeros(1, bool),
        Segments(0 * one, 0 * one, 0 * one, 0 * one, n * one, n * one),
        MINUTE * one,
        left,
        *out,
    )
    assert all(np.isnan(values).all() for values in out)
    assert all(not array.any() for array in left)


def test_a_busy_day_is_expected_to_stay_busy_and_the_next_session_starts_from_it():
    ts = np.concatenate([np.arange(200), 1440 + np.arange(2), 1440 * 12 + np.arange(1)]) * MINUTE
    session = np.repeat(np.array([100, 101, 112], np.int32), [200, 2, 1])
    volume = np.full(len(ts), 200.0)  # 5 minutes of 200, where 500 in 5 are usual
    (_, rvol, z), _ = measured(ts, volume, [np.log(501)], [0.35], session=session)
    assert rvol[199] == pytest.approx(2, rel=0.01)
    assert z[10] > 1.2
    assert abs(z[199]) < 0.6
    fresh = z[202]  # twelve days later yesterday's level says nothing
    assert fresh == pytest.approx(np.log(201 / 501) / 0.35)
    assert z[200] < fresh - 0.8


def test_a_burst_does_not_hide_itself():
    ts, volume = np.arange(120) * MINUTE, np.full(120, 100.0)
    volume[100:110] = 800.0
    (_, _, z), _ = measured(ts, volume, [np.log(501)], [0.35])
    assert z[104:110].min() > 5
    assert abs(z[90:100]).max() < 1
    assert z[119] > -1


def scanned(z: float) -> SimpleNamespace:
    """What the rule's verdict needs, on real-looking bars with a burst in session 5, under a limit of ``z``."""
    volume = BARS.volume.copy()
    volume[(BARS.ts >= OPENS[START + 4] + 100 * MINUTE) & (BARS.ts < OPENS[START + 4] + 110 * MINUTE)] *= 6
    where = {"session": POSITIONS.session, "slot": POSITIONS.slot}
    (recent, rvol, found), _ = measured(BARS.ts, volume, PROFILE.volume_level, PROFILE.volume_scale, **where)
    rule = RobustAbnormalVolume(z=z)
    return SimpleNamespace(
        rule=rule,
        bars=BARS,
        positions=POSITIONS,
        segments=SimpleNamespace(start=np.zeros(1, np.int64), end=np.array([len(BARS)])),
        profile=np.zeros(len(BARS), np.int32),
        profiles=SimpleNamespace(volume_scale=np.array([PROFILE.volume_scale], dtype=float)),
        measures={"recent_volume": recent, "rvol": rvol, "volume_z": found},
    )


def judge(rule: RobustAbnormalVolume, scan: SimpleNamespace):
    return rule.judge(scan, lambda field: np.full(len(scan.profile), getattr(rule, field)))


@pytest.mark.parametrize("z", [1.0, 2.5, 4.0])
def test_value_threshold_and_baseline_are_shares_and_agree_with_the_verdict(z):
    scan = scanned(z)
    (fired,) = judge(scan.rule, scan)
    assert len(fired.index)
    assert (fired.value > fired.threshold).all()
    assert (fired.threshold > fired.baseline).all()
    assert (fired.exceedance > 1).all()
    burst = (BARS.ts[fired.index] - OPENS[START + 4]) // MINUTE
    assert set(burst[burst >= 0]) & set(range(100, 115))
    # Whatever limit decides, a bar at its threshold would be at a limit of the rule: of z or of RVOL.
    rvol_limit = scan.rule.rvol * (1 + fired.value) / scan.measures["rvol"][fired.index] - 1
    scale = np.maximum(scan.profiles.volume_scale[0, POSITIONS.slot[fired.index]], LEAST_SCALE)
    z_limit = (1 + fired.baseline) * np.exp(z * scale) - 1
    assert fired.threshold == pytest.approx(np.maximum(rvol_limit, z_limit))


def test_little_money_is_not_reported():
    scan = scanned(2.5)
    (fired,) = judge(scan.rule, scan)
    floor = (fired.value * BARS.close[fired.index]).max()
    scan.rule = RobustAbnormalVolume(z=2.5, turnover_floor=floor)
    assert not len(next(iter(judge(scan.rule, scan))).index)


def test_the_sentence_says_it_all():
    scan = scanned(2.5)
    (fired,) = judge(scan.rule, scan)
    index = int(fired.index[0])
    start_ms, end_ms = int(BARS.ts[scan.rule.first_bar(scan, index)]), int(BARS.ts[index]) + MINUTE
    assert end_ms - start_ms == 5 * MINUTE
    said = scan.rule.sentence(
        SimpleNamespace(
            scan=scan,
            index=index,
            symbol="AAPL",
            timespan="minute",
            ts_ms=int(BARS.ts[index]),
            session_date="2023-01-09",
            value=float(fired.value[0]),
            threshold=float(fired.threshold[0]),
            baseline=float(fired.baseline[0]),
        )
    )
    assert said.startswith(f"AAPL traded {fired.value[0]:,.0f} shares {wording.between(start_ms, end_ms)}, ")
    assert f"up to {fired.threshold[0]:,.0f} are allowed" in said


def firing(bars, rule, start: int = OPEN, **over) -> list[float]:
    """Minutes of the session at which a rule fires under the profile."""
    return [(ts - start) / MINUTE for _, _, ts in fired(bars, rule, profiles=[profile(**over)])]


class TestAbnormalVolume:
    def test_what_an_alert_says(self):
        (alert,) = run([*calm(20), bar(20, volume=46_000)], profiles=[profile()]).alerts
        assert (alert.rule, alert.form, alert.rule_version) == ("abnormal_volume", "robust", 1)
        assert alert.profile_version == profile().version
        assert alert.value == 50_000
        assert alert.baseline < 5_000, "so far the day was quieter than usual"
        assert len(alert.event_ids) == 5
        assert alert.explanation.startswith(
            "NVDA traded 50,000 shares in the 5 minutes from 09:46 to 09:51 New York (14:46 to 14:51 UTC), "
        )

    def test_a_burst_to_one_symbol_is_another_ones_every_day(self):
        bars = [*calm(20), bar(20, volume=46_000)]
        assert firing(bars, "abnormal_volume")
        assert not firing(bars, "abnormal_volume", volume_level=[log(50_001)] * SLOTS)
        assert not firing(bars, "abnormal_volume", volume_scale=[0.8] * SLOTS)

    def test_little_money_is_not_reported(self):
        cheap = {"close": 0.2, "high": 0.2, "low": 0.2}
        assert not firing([*calm(20, **cheap), bar(20, volume=45_000, **cheap)], "abnormal_volume")
        assert firing([*calm(20, **cheap), bar(20, volume=47_000, **cheap)], "abnormal_volume")

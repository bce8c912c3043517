"""What counts as growing: made-up series."""

from __future__ import annotations

import numpy as np
import pytest

from tests.soak.report import Soak, as_dict, markdown
from tests.soak.verdict import judge, theil_sen

HOURS = np.arange(0, 1, 1 / 120)
NEVER = [False] * len(HOURS)
# As tasks come and go.
NOISE = np.random.default_rng(7).normal(0, 15, len(HOURS))
ABOUT = {"date": "2026-11-23", "cpu": "a cpu", "cores": 2, "memory": "8 GB"}


def test_slope_is_that_of_the_line_whatever_some_points_say():
    line = 100 + 30 * HOURS
    line[::7] += 500
    assert theil_sen(HOURS, line)[0] == pytest.approx(30, rel=0.05)


def test_noise_alone_is_no_rise_for_certain():
    assert theil_sen(HOURS, NOISE)[1] < 0
    slope, low = theil_sen(HOURS, 60 * HOURS + NOISE)
    assert 0 < low < slope


@pytest.mark.parametrize(
    ("name", "values", "verdict"),
    [
        ("memory.worker", 900 + NOISE, "flat"),
        ("memory.worker", 900 + NOISE + 60 * HOURS, "growing"),
        ("memory.worker", 900 - 60 * HOURS, "flat"),
        ("memory.worker", 900 + 15 * HOURS, "flat"),  # below 20 MB
        ("memory.redis", 10 + 3 * HOURS, "growing"),  # above 5 %
        ("memory.redis", 10 + 1.5 * HOURS, "flat"),  # below 2 MB
        ("memory.scheduler", np.where(HOURS < 0.3, 200 + 500 * HOURS, 350), "flat"),  # warms up
        ("descriptors.triggerer", 50 + 40 * HOURS, "growing"),
        ("descriptors.triggerer", 50 + 8 * HOURS, "flat"),
        ("disk.kafka", 100 + 1000 * HOURS, "bounded elsewhere"),
        ("lag.detector", np.append(np.full(len(HOURS) - 1, 20), 0), "at rest"),
        ("lag.detector", np.full(len(HOURS), 1), "more than 0 at the end"),
        ("rows.log", 1000 + 10 * HOURS, "too few samples"),
    ],
)
def test_verdict(name, values, verdict):
    trend = judge(name, HOURS, values, NEVER)
    assert trend.verdict == verdict
    assert trend.fails is (verdict not in ("flat", "bounded elsewhere", "at rest"))


@pytest.mark.parametrize(("leak", "verdict"), [(0, "flat"), (2000, "growing")])
def test_tables_are_judged_right_after_maintenance(leak, verdict):
    maintained = [step % 12 == 0 for step in range(len(HOURS))]
    gathered = np.array([step % 12 * 100 for step in range(len(HOURS))])
    assert judge("rows.log", HOURS, 1000 + gathered + leak * HOURS, maintained).verdict == verdict


def soak(**series) -> Soak:
    samples = [dict(zip(series, values, strict=True)) for values in zip(*series.values(), strict=True)]
    return Soak(hours=list(HOURS), maintained=NEVER, samples=samples, vacuums={"log": 3})


def test_report_names_what_grows():
    grown = soak(**{"memory.worker": 900 + 60 * HOURS, "memory.redis": 10 + 0 * HOURS})
    text = markdown(grown, ABOUT, "make soak")
    assert grown.fails()
    assert "**Not flat: memory.worker.**" in text
    assert "| memory.redis | MB | 10.0 | 10.0 | +0.0 | 2.0 | flat |" in text
    assert len(as_dict(grown, ABOUT, "make soak")["samples"]) == len(HOURS)


def test_trouble_and_silence_fail_too():
    calm = soak(**{"memory.redis": 10 + 0 * HOURS})
    assert not calm.fails()
    calm.troubles.append("after 0.50 h: started again or gone: worker")
    assert calm.fails()
    assert "started again or gone: worker" in markdown(calm, ABOUT, "make soak")
    assert Soak().fails()
    assert "**No sample.**" in markdown(Soak(), ABOUT, "make soak")

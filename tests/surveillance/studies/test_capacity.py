"""What a watchlist takes: sums that can be checked by hand, and the platform's own measurements."""

import json
from dataclasses import replace
from math import isclose

import pytest

from include.orchestration.ingest import polling
from include.surveillance.errors import ConfigurationError
from include.surveillance.settings import Settings
from include.surveillance.studies.capacity import Costs, Load, advise, plan_load
from tests.benchmarks import state_size
from tests.paths import MEASURED, SHARED_DATA

# Not of the platform: who plays the vendor, and the sum of everything.
BESIDE = {"simulator", "everything on the machine"}
MINUTES_ONLY = {"timespans": 1}


def test_a_task_per_symbol():
    needed = plan_load(Load(500, mode="symbols", **MINUTES_ONLY))
    assert (needed.calls_per_minute, needed.tasks_per_minute) == (501, 503)
    # Six bars, one watermark and one metric of each symbol in each of 390 minutes.
    assert needed.messages_per_day == 500 * 8 * 390
    assert needed.metadata_rows_per_day == 503 * 3 * 390
    assert isclose(needed.kafka_gb_per_day, 500 * 390 * (6 * 300 + 230 + 630) / 1e9)
    assert isclose(needed.cpu_ms_per_minute["poll"], 503 * 45 + 500 * 0.7)
    assert isclose(needed.cpu_share, sum(needed.cpu_ms_per_minute.values()) / 120_000)


def test_the_market_in_one_call():
    needed = plan_load(Load(11_000, **MINUTES_ONLY))
    assert needed.mode == "market"
    assert (needed.calls_per_minute, needed.messages_per_day) == (2, 11_000 * 3 * 390)
    assert needed.cpu_share < 0.6


@pytest.mark.parametrize(("symbols", "mode"), [(500, "symbols"), (501, "groups"), (2_000, "groups"), (2_001, "market")])
def test_the_number_of_symbols_decides(symbols, mode):
    assert plan_load(Load(symbols)).mode == mode


def test_polling_decides_by_the_same_numbers():
    for symbols in (1, 500, 501, 2_000, 2_001, 11_000):
        assert polling._poll_by(["A"] * symbols, Settings()) == plan_load(Load(symbols)).mode


def test_twice_the_cores_are_half_the_share_and_dearer_work_needs_more_of_them():
    load, dear = Load(500, cores=2), replace(Costs(), task_ms=600)
    assert isclose(plan_load(replace(load, cores=4)).cpu_share, plan_load(load).cpu_share / 2)
    assert plan_load(load, dear).cores_needed > plan_load(load).cores_needed


def test_a_series_takes_what_a_mature_state_of_real_bars_takes():
    recorded = SHARED_DATA / state_size.FILES["minute, 2 symbols, 19 sessions"]
    if not recorded.exists():
        pytest.skip(f"{recorded} is not there")
    measured = state_size.bytes_per_series(recorded)
    assert 0.9 * measured <= Costs().state_bytes <= 1.2 * measured


def test_partitions_hold_the_state_and_keep_up_with_a_burst():
    assert plan_load(Load(500)).partitions_needed == 4
    assert plan_load(Load(11_000)).partitions_needed == 6, "44,000 series of 8.6 kB: 378 MB in parts of 64 MiB"
    assert plan_load(Load(50_000)).partitions_needed == 26, "200,000 series of 8.6 kB: 1,720 MB in parts of 64 MiB"
    slow = replace(Costs(), detect_ms=4.0)
    assert plan_load(Load(11_000, **MINUTES_ONLY), slow).partitions_needed == 18, "44 CPU-s in 2.5 s"


def test_what_cannot_be_done_later_comes_first():
    load = Load(100_000, cores=1)
    steps = advise(load, plan_load(load))
    assert [step.split(" ")[0].split("=")[0] for step in steps] == ["POLL_BY", "a", "KAFKA_PARTITIONS", "2", "4"]
    assert "more than the scheduler starts" in advise(load, plan_load(replace(load, mode="symbols")))[0]


def test_nothing_is_planned_for_nobody():
    with pytest.raises(ConfigurationError, match="symbols=0 must be at least 1"):
        Load(0)


@pytest.mark.parametrize(("bench", "load"), [("symbols-500", Load(500)), ("market-11000", Load(11_000, timespans=1))])
def test_the_model_agrees_with_what_was_measured(bench, load):
    platform = MEASURED / "benchmarks" / "platform.json"
    if not platform.exists():
        pytest.skip(f"{platform.name} is not there: make bench writes it")
    found = json.loads(platform.read_text())
    results = {result["name"]: result for result in found["results"]}
    if bench not in results:
        pytest.skip(f"{bench} has not been measured")
    cores = int(found["about"]["cores"])
    measured = sum(share for name, share in results[bench]["cpu"].items() if name not in BESIDE)
    modelled = plan_load(replace(load, cores=cores)).cpu_share
    assert 0.6 < modelled / measured < 1.6, f"modelled {modelled:.0%}, measured {measured:.0%}: correct Costs"

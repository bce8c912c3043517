"""What the benchmarks make of what they measure."""

from __future__ import annotations

import json
import subprocess
import sys
from types import SimpleNamespace

import psutil
import pytest

from tests.benchmarks.platform import cpu, report
from tests.benchmarks.platform.figures import Figure, Result, quantile, ratio, spread
from tests.benchmarks.platform.live import Live
from tests.benchmarks.platform.moments import Moments


def test_a_figure_without_a_value_holds_no_target():
    assert not Figure("latency", None, most=5).held
    assert not Figure("rate", None, least=5).held
    assert Figure("count", None).held


@pytest.mark.parametrize(("value", "held"), [(5, True), (5.01, False)])
def test_a_target_is_held_up_to_itself(value, held):
    assert Figure("latency", value, most=5).held is held
    assert Figure("rate", -value, least=-5).held is held


def test_a_spread_has_its_targets_where_they_belong():
    p50, p95, largest = spread("wait", [*range(101)], "s", p95=90)
    assert (p50.value, p95.value, largest.value) == (50, 95, 100)
    assert (p50.judged, p95.held, largest.judged) == (False, False, False)
    assert quantile([], 0.5) is None
    assert ratio(1, 0) is None
    assert ratio(None, 2) is None
    assert ratio(3, 2) == 1.5


def test_a_minute_ends_with_its_last_alert_or_its_last_bar():
    moments = Moments(60_000, 180_000)
    moments.appended = {("A", 60_000): 123_000, ("B", 60_000): 124_000, ("A", 120_000): 182_500}
    moments.alerts = [(126_000, 124_000, 120_000)]
    assert moments.whole_minutes() == [6.0, 2.5]
    assert sorted(moments.after_close()) == [2.5, 3.0, 4.0]
    assert moments.after_bar() == [2.0]
    assert moments.missing([("A", 60_000), ("C", 60_000)]) == [("C", 60_000)]


def test_a_tasks_cost_is_what_polling_adds():
    meter = SimpleNamespace(spent={"worker-poll": 6.0, "scheduler": 3.0}, seconds=60.0)
    polls = [(60_000, 40, 55_000.0, 70_000.0, 40), (120_000, 40, 125_000.0, 130_000.0, 39)]
    live = Live(Moments(0, 120_000), meter, 0.05, polls, 0, 80)
    assert live.ms_per_task("worker-poll") == 75
    assert live.ms_per_task("worker-poll", "scheduler", idle=live.idle) == 75  # 9 s, less 60 x 0.05
    assert live.tasks_per_second() == 6.0  # 40 in 10 s, as the first task stood ready; 40 in 5 s


def test_time_of_ended_children_counts():
    burn = "import time\nwhile time.process_time() < 0.2: pass"
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {burn!r}]); print(flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", parent], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        own = psutil.Process(process.pid).cpu_times()
        assert cpu.of_tree(process.pid) >= 0.2 > own.user + own.system
        process.communicate(b"\n")
    assert cpu.of_tree(process.pid) == 0


def test_the_report_names_what_was_missed():
    good = Result("one", "About.", [Figure("speed", 2, "1/s", least=1)], cpu={"kafka": 0.25, "redis": 0.0})
    bad = report.missed("two", "Kafka is away")
    about = {"minutes": 1, "date": "", "commit": "", "cpu": "", "cores": 2, "memory": "", "load_at_start": 0}
    text = report.markdown([good, bad], about, "make bench")
    assert "1 of 2 targets held" in text
    assert "- missed: two: measured" in text
    assert "| kafka | 25.0 |" in text
    assert "redis" not in text
    assert (good.held, bad.held) == (True, False)


def test_parts_that_are_not_run_again_stay_in_the_report(tmp_path):
    kept = Result(
        "one", "About.", [Figure("speed", 2, "1/s", least=1)], tables={"T": [("a",), ("b",)]}, measured="then"
    )
    old, new = Result("two", "Old."), Result("two", "New.", measured="now")
    file = tmp_path / "platform.json"
    assert report.earlier(file, [new]) == []
    file.write_text(json.dumps({"results": [report.as_dict(result) for result in (kept, old)]}))
    (found,) = report.earlier(file, [new])
    assert report.section(found) == report.section(kept)
    assert found.held

"""What the benchmarks make of what they measure."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import replace
from types import SimpleNamespace

import psutil
import pytest

from tests.benchmarks.platform import cpu, live, profile, report
from tests.benchmarks.platform.figures import Figure, Result, quantile, ratio, spread
from tests.benchmarks.platform.latency import LatencyStamps
from tests.benchmarks.platform.live import Live

ABOUT = {"minutes": 1, "date": "", "commit": "", "cpu": "", "cores": 2, "memory": "", "load_at_start": 0}


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
    stamps = LatencyStamps(60_000, 180_000)
    stamps.appended = {("A", 60_000): 123_000, ("B", 60_000): 124_000, ("A", 120_000): 182_500}
    stamps.alerts = [(126_000, 124_000, 120_000)]
    assert stamps.whole_minutes() == [6.0, 2.5]
    assert sorted(stamps.after_close()) == [2.5, 3.0, 4.0]
    assert stamps.after_bar() == [2.0]
    assert stamps.missing([("A", 60_000), ("C", 60_000)]) == [("C", 60_000)]


def test_an_alert_is_measured_from_the_newest_of_what_it_rests_on():
    stamps = LatencyStamps(60_000, 420_000)
    stamps.first = {"bar": 122_000, "old bar": 62_500, "article": 362_400}
    stamps.published = {"article": 360_000}
    burst, joined = ("bar", "old bar"), ("bar", "article")
    raised = SimpleNamespace(timespan="minute", status="fired", bar_close_ms=120_000)
    stamps.add(SimpleNamespace(**vars(raised), event_ids=burst), 123_000)
    stamps.add(SimpleNamespace(**vars(raised), event_ids=joined), 363_400)
    assert stamps.alerts == [(123_000, 122_000, 120_000), (363_400, 362_400, 360_000)]
    assert stamps.after_bar() == [1.0, 1.0]
    assert stamps.whole_minutes() == [3.0, 3.4]
    for other in ({"status": "retracted"}, {"timespan": "day"}, {"bar_close_ms": 60_000}, {"event_ids": ()}):
        stamps.add(SimpleNamespace(**vars(raised) | {"event_ids": burst} | other), 123_000)
    assert len(stamps.alerts) == 2


def test_a_tasks_cost_is_what_polling_adds():
    meter = SimpleNamespace(spent={"worker-poll": 6.0, "scheduler": 3.0}, seconds=60.0)
    polls = [(60_000, 40, 55_000.0, 70_000.0, 40), (120_000, 40, 125_000.0, 130_000.0, 39)]
    live_minutes = Live(LatencyStamps(0, 120_000), meter, 0.05, polls, 0, 80)
    assert live_minutes.ms_per_task("worker-poll") == 75
    assert live_minutes.ms_per_task("worker-poll", "scheduler", idle=live_minutes.idle) == 75  # 9 s, less 60 x 0.05
    assert live_minutes.tasks_per_second() == 6.0  # 40 in 10 s, as the first task stood ready; 40 in 5 s


def test_time_of_ended_children_counts():
    burn = "import time\nwhile time.process_time() < 0.2: pass"
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {burn!r}]); print(flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", parent], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        own = psutil.Process(process.pid).cpu_times()
        assert cpu.measure_tree(process.pid) >= 0.2 > own.user + own.system
        process.communicate(b"\n")
    assert cpu.measure_tree(process.pid) == 0


def test_the_report_names_what_was_missed():
    good = Result("one", "About.", [Figure("speed", 2, "1/s", least=1)], cpu={"kafka": 0.25, "redis": 0.0})
    bad = report.unmeasured("two", "Kafka is away")
    text = report.markdown([good, bad], ABOUT, "make bench")
    assert "1 of 2 targets held, 0 of them in the run before too" in text
    assert "- missed: two: measured" in text
    assert "| kafka | 25.0 |" in text
    assert "redis" not in text
    assert (good.held, bad.held) == (True, False)


def test_parts_that_are_not_run_again_stay_in_the_report(tmp_path):
    kept = Result(
        "one",
        "About.",
        [Figure("speed", 2, "1/s", least=1)],
        tables={"T": [("a",), ("b",)]},
        measured="then",
        before={"speed": 0.5},
        measured_before="long ago",
    )
    old, new = Result("two", "Old."), Result("two", "New.", measured="now")
    file = tmp_path / "platform.json"
    assert report.read(file) == []
    file.write_text(json.dumps({"results": [report.as_dict(result) for result in (kept, old)]}))
    one, two = report.merge([new], report.read(file))
    assert report.section(one) == report.section(kept)
    assert one.held
    assert two is new


def test_a_part_stands_beside_its_run_before():
    old = Result("one", "Old.", [Figure("speed", 5, least=1), Figure("wait", 9, "s", most=30)], measured="yesterday")
    figures = [Figure("speed", 2, least=1), Figure("wait", 8, "s", most=7), Figure("cost", 3, "ms", most=4)]
    new = Result("one", "New.", figures, measured="today")
    (both,) = report.merge([new], [replace(old, before={"speed": 7}, measured_before="long ago")])
    assert (both.before, both.measured_before) == ({"speed": 5, "wait": 9}, "yesterday")
    text = report.section(both)
    assert "| speed | at least 1 | 2 | yes | 5 | yes |" in text
    assert "| wait | at most 7 | 8 s | **no** | 9 s | **no** |" in text, "yesterday's target was laxer"
    assert "| cost | at most 4 | 3 ms | yes |  |  |" in text
    assert [figure["held_before"] for figure in report.as_dict(both)["figures"]] == [True, False, None]
    assert "run before" not in report.section(old)


def test_what_only_the_run_before_missed_is_named():
    both = Result("one", "About.", [Figure("speed", 2, least=1)], before={"speed": 0.5}, measured_before="yesterday")
    text = report.markdown([both], ABOUT, "make bench")
    assert "1 of 1 targets held, 0 of them in the run before too" in text
    assert "- missed in the run before: one: speed" in text
    again = report.markdown([replace(both, before={"speed": 3})], ABOUT, "make bench")
    assert "1 of 1 targets held, 1 of them in the run before too" in again
    assert "- missed" not in again


def test_what_was_tried_stands_under_a_part_that_missed_its_target(tmp_path, monkeypatch):
    monkeypatch.setattr(report, "TRIED", tmp_path / "tried.md")
    report.TRIED.write_text("# Tried\n\n## one\n\n- Less.\n- More.\n\n## two\n\n- Both.\n")
    speed = Figure("speed", 2, least=3)
    assert report.section(Result("one", "About.", [speed])).endswith("What was tried:\n\n- Less.\n- More.\n")
    assert "tried" not in report.section(Result("one", "About.", [replace(speed, least=1)]))
    assert "tried" not in report.section(Result("other", "About.", [speed]))


def test_each_section_of_what_was_tried_is_a_part():
    parts = {"symbols-500", "market-11000", "backfill", "cosmos", "peer"}
    assert set(re.findall("^## (.+)$", report.TRIED.read_text(), re.MULTILINE)) <= parts


def test_a_profile_is_one_of_all_processes():
    one, two = 'process 1:"python a.py";', 'process 1:"python a.py";process 2:"python -c "x; y (z)"";'
    stacks = profile.read(f"{one}main (a.py);f (a.py) 3\n{two}main (a.py);f (a.py) 4\n{two}main (a.py) 1\n")
    assert stacks == {("main (a.py)", "f (a.py)"): 7, ("main (a.py)",): 1}


def test_a_profile_names_what_takes_most():
    stacks = profile.read("run;main;f;g 60\nrun;main;f 20\nrun;main;h;h 15\nrun;main;i 5\n")
    names, *rows = profile.leading(stacks)
    assert names == ("function alone", "%", "with what it calls", "%")
    # run only calls main; h calls itself and counts once.
    assert rows == [
        ("`g`", "60", "`main`", "100"),
        ("`f`", "20", "`f`", "80"),
        ("`h`", "15", "`g`", "60"),
        ("`i`", "5", "`h`", "15"),
        ("", "", "`i`", "5"),
    ]


def test_a_minute_is_waited_for_until_its_polls_have_ended_and_nothing_lags(monkeypatch):
    rows, lags, waits = iter([(0, 0), (5, 4), (5, 5)]), iter([7, 0]), []
    stage = SimpleNamespace(metadata=lambda *_: [next(rows)], lag=lambda landing: next(lags))
    clock = SimpleNamespace(time=lambda: 60 + sum(waits), sleep=waits.append)
    monkeypatch.setattr(live, "time", clock)
    live._settle(stage, 60_000, landed=False)
    assert waits == [0.5] * 3
    stage.metadata = lambda *_: [(5, 4)]
    live._settle(stage, 60_000, landed=False)
    assert sum(waits) == live.AFTER_SECONDS, "a poll that never ends is not waited for without end"

"""What the comparison of two commits says of their runs."""

from __future__ import annotations

import json

from tests.benchmarks.platform.against import compare, read_run, write_report

ABOUT = {"date": "2026-03-09", "cpu": "a processor", "cores": 2, "load_at_start": 0.1}


def run(latency, cpu=20.0, alerts=80.0):
    return {"m: latency": (latency, "s"), "m: CPU": (cpu, "%"), "m: alerts": (alerts, "")}


def test_medians_are_compared_and_what_is_worse_by_more_than_a_tenth_is_named():
    before = [run(1.0), run(1.1), run(9.0)]
    after = [run(1.3, cpu=21.9), run(1.25, cpu=22.0), run(0.1, cpu=30.0)]
    latency, cpu, alerts = compare(before, after)
    assert (latency.before, latency.after, round(latency.ratio, 3), latency.worse) == (1.1, 1.25, 1.136, True)
    assert (cpu.ratio, cpu.worse) == (1.1, False)
    assert not alerts.worse


def test_more_of_what_only_has_a_target_is_not_worse():
    *_, alerts = compare([run(1.0, alerts=80)], [run(1.0, alerts=800)])
    assert (alerts.ratio, alerts.worse) == (10, False)


def test_a_figure_that_one_side_lacks_is_not_compared():
    compared = compare([run(1.0)], [run(1.0) | {"m: new": (5.0, "s")}])
    assert [it.name for it in compared] == ["m: latency", "m: CPU", "m: alerts"]


def test_figures_are_read_by_part_and_name_without_what_was_not_measured(tmp_path):
    figures = [{"name": "latency", "value": 1.5, "unit": "s"}, {"name": "gone", "value": None, "unit": "s"}]
    file = tmp_path / "platform.json"
    file.write_text(json.dumps({"results": [{"name": "m", "figures": figures}]}))
    assert read_run(file) == {"m: latency": (1.5, "s")}


def test_the_page_says_what_is_worse_or_that_nothing_is():
    worse = write_report(compare([run(1.0)], [run(2.0)]), 1, "abc", "make", ABOUT)
    assert "**1 worse by more than a tenth: m: latency.**" in worse
    assert "| m: latency | 1.00 | 2.00 | s | 2.00 | worse |" in worse
    assert "None is worse by a tenth" in write_report(compare([run(1.0)], [run(1.0)]), 1, "abc", "make", ABOUT)

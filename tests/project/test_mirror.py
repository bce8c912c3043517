"""Whoever looks for a module's tests finds them at the module's own path."""

from __future__ import annotations

from tests.paths import ROOT

LONGEST_WITHOUT = 60
# Longer modules without a test file of their own path, and the file that tests each.
TESTED_BY: dict[str, str] = {
    "include/desk_client/desk.py": "tests/orchestration/page/test_desk_client.py",
    "include/desk_client/session.py": "tests/orchestration/page/test_desk_client.py",
    "include/feature_store/definitions.py": "tests/feature_store/test_store.py",
    "include/local_stack/__main__.py": "tests/local_stack/test_command_line.py",
    "include/local_stack/access.py": "tests/project/test_access.py",
    "include/monitoring/__main__.py": "tests/monitoring/test_settings.py",
    "include/orchestration/backup/__main__.py": "tests/integration/test_backup.py",
    "include/orchestration/market_events.py": "tests/orchestration/test_notifier.py",
    "include/orchestration/page/answers.py": "tests/orchestration/page/test_desk.py",
    "include/orchestration/page/report_answers.py": "tests/orchestration/page/test_reports.py",
    "include/orchestration/marts/render.py": "tests/dbt_project/test_render.py",
    "include/polygon_simulator/__main__.py": "tests/polygon_simulator/test_command_line.py",
    "include/surveillance/studies/landed.py": "tests/integration/test_explain_landed.py",
    "include/surveillance/warehouse/copies.py": "tests/integration/test_backup.py",
    "include/surveillance/detection/parameters/values.py": "tests/surveillance/detection/parameters/test_in_force.py",
    "include/surveillance/detection/profiles/carry.py": "tests/surveillance/detection/profiles/test_schedule.py",
    "include/surveillance/detection/record_state.py": "tests/surveillance/detection/test_shards.py",
    "include/surveillance/studies/backtest_report.py": "tests/surveillance/studies/test_backtest.py",
    "include/surveillance/studies/backtest_summary.py": "tests/surveillance/studies/test_backtest.py",
    "include/surveillance/studies/matching.py": "tests/surveillance/studies/test_outcomes.py",
    "include/surveillance/warehouse/landing.py": "tests/integration/test_land.py",
    "include/surveillance/warehouse/retention.py": "tests/integration/test_retention.py",
    "include/surveillance/warehouse/records.py": "tests/integration/test_explain_landed.py",
    "include/watchdog/memory.py": "tests/watchdog/test_people.py",
    "include/watchdog/__main__.py": "tests/watchdog/test_watchdog.py",
}


def mirrored(module: str) -> str:
    folder, _, name = module.removeprefix("include/").rpartition("/")
    return f"tests/{folder}/test_{name}" if folder else f"tests/test_{name}"


def long_modules() -> list[str]:
    paths = (path for path in (ROOT / "include").rglob("*.py") if "__pycache__" not in path.parts)
    return sorted(str(path.relative_to(ROOT)) for path in paths if len(path.read_text().splitlines()) > LONGEST_WITHOUT)


def test_a_long_module_has_a_test_file_of_its_path_or_names_the_one_that_tests_it():
    without = [module for module in long_modules() if not (ROOT / mirrored(module)).exists()]
    assert without == sorted(TESTED_BY)


def test_the_files_that_are_named_exist_and_import_what_they_test():
    for module, test in TESTED_BY.items():
        text = (ROOT / test).read_text()
        assert module.removesuffix(".py").replace("/", ".").rpartition(".")[0] in text, f"{test} does not test {module}"

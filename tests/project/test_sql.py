"""SQL is a constant or a file, values are bound: no statement is put together from data."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import pytest

from include.surveillance.warehouse.rows import TABLES
from include.surveillance.warehouse.schema import COLUMNS
from include.surveillance.warehouse.statements import SQL
from tests.paths import ROOT

# The embedded warehouse is the database, not its client: it rewrites the statements that it is given.
FOREIGN = ROOT / "include" / "embedded_warehouse"
# What runs SQL, and at which position it takes it. `run` is a hook's; a subprocess has its arguments as a list.
RUNS = {"execute": 0, "executemany": 0, "execute_string": 0, "execute_values": 1, "copy_expert": 0, "run": 0}
RUNS |= {"get_records": 0, "get_first": 0, "get_df": 0, "warehouse": 0, "database": 0}
FILE = "statement"
# The summary counts the tables that it lists itself.
COUNTS = {
    "f'select count(*) from {table}'",
    "f'select count(*) - count(distinct hash(kafka_topic, kafka_partition, kafka_offset)) from {table}'",
}
# A migration is a file, read whole and filled with nothing.
MIGRATION = "migration.sql"
# The identifiers that a file of SQL leaves open; everything else is bound.
IDENTIFIERS = {"table", "file", "name"}


def called(node: ast.Call) -> str:
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")


def statements(tree: ast.AST) -> Iterator[tuple[str, ast.expr]]:
    """The name of each function that runs SQL, with the expression of its statement."""
    relayed = {name.arg for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name in RUNS
               for name in node.args.args}  # fmt: skip
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and (index := RUNS.get(called(node))) is not None and len(node.args) > index:
            given = node.args[index]
            if not (isinstance(given, ast.Name) and given.id in relayed):
                yield called(node), given


def is_safe(name: str, given: ast.expr) -> bool:
    if isinstance(given, ast.Constant) or ast.unparse(given) in {*COUNTS, MIGRATION}:
        return True
    if isinstance(given, ast.Call):
        whole = ast.unparse(given.func)
        composed = whole.startswith("sql.SQL(") and whole.endswith(").format")  # psycopg2 quotes each part
        of_a_file = whole == FILE and isinstance(given.args[0], ast.Constant)
        return composed or of_a_file or name == "run"
    return name == "run" and not isinstance(given, ast.JoinedStr | ast.BinOp)


@pytest.mark.parametrize(
    "code",
    [
        "cursor.execute(f'select {x}')",
        "cursor.execute('select ' + x)",
        "cursor.execute('select %s' % x)",
        "cursor.execute('select {}'.format(x))",
        "query = f'select {x}'\ncursor.execute(query)",
        "hook.get_records(statement(x))",
        "clients.warehouse(f'select {x}')",
        "hook.run(f'delete from {x}')",
    ],
)
def test_the_scan_sees(code):
    ((name, given),) = statements(ast.parse(code))
    assert not is_safe(name, given)


def test_no_statement_is_put_together():
    seen = 0
    for folder in ("include", "dags", "plugins"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            if FOREIGN not in path.parents:
                for name, given in statements(ast.parse(path.read_text())):
                    assert is_safe(name, given), f"{path.relative_to(ROOT)}:{given.lineno}: {ast.unparse(given)}"
                    seen += name != "run"
    assert seen > 20


def test_open_identifiers_are_names_of_our_own():
    files = (ROOT / "include/surveillance/warehouse").glob("*.py")
    nodes = [node for file in files for node in ast.walk(ast.parse(file.read_text()))]
    calls = [node for node in nodes if isinstance(node, ast.Call) and called(node) == "statement"]
    assert {keyword.arg for call in calls for keyword in call.keywords} == IDENTIFIERS
    left_open = {name for file in SQL.glob("*.sql") for name in re.findall(r"\{(\w*)\}", file.read_text())}
    assert left_open == IDENTIFIERS
    names = [
        *TABLES,
        *COLUMNS,
        *(name for columns in COLUMNS.values() for pair in columns.items() for name in pair),
    ]
    assert all(re.fullmatch(r"[A-Z_]+", name) for name in names)


@pytest.mark.parametrize("folder", ["include/surveillance/warehouse/sql", "include/orchestration/application/sql"])
def test_a_bound_value_stands_outside_of_quotes(folder):
    for file in (ROOT / folder).glob("*.sql"):
        assert not re.search(r"'[^'\n]*%[s(][^'\n]*'", file.read_text()), file.name

"""The storage of all sessions: one DuckDB instance on disk, whose data, metadata and stage files survive a restart.

fakesnow's server keeps everything in memory, and every result of every statement for ever.
"""

from __future__ import annotations

import collections
import threading
from pathlib import Path
from typing import Any

import duckdb
from fakesnow import info_schema
from fakesnow.instance import FakeSnow
from fakesnow.transforms import show, stage

from include.embedded_warehouse.statements import IGNORED
from include.embedded_warehouse.temporary_tables import drop_leftovers

RESULTS_KEPT = 20
LOG_LIMIT = "256MB"


class RecentResults(collections.OrderedDict[str, Any]):
    """A mapping that keeps the last ``size`` entries; safe between threads."""

    def __init__(self, size: int = RESULTS_KEPT):
        super().__init__()
        self.size = size
        self.lock = threading.Lock()

    def __setitem__(self, key: str, value: Any) -> None:
        with self.lock:
            super().__setitem__(key, value)
            while len(self) > self.size:
                self.popitem(last=False)


class DiskWarehouse(FakeSnow):
    """fakesnow's instance on ``folder``: one file per database, one for metadata, a folder for stages."""

    def __init__(self, folder: Path):
        # Not the parent's constructor: it attaches its metadata in memory, where comments and stages are lost.
        self.create_database_on_connect = self.create_schema_on_connect = True
        self.db_path = folder
        self.nop_regexes = IGNORED
        self.results_cache = RecentResults()
        self.duck_conn = duckdb.connect(":memory:", config={"lambda_syntax": "ENABLE_SINGLE_ARROW"})
        quoted = str(folder / "_fs_global.meta").replace("'", "''")
        self.duck_conn.execute(f"ATTACH '{quoted}' AS _fs_global")
        self.duck_conn.execute(info_schema.fs_global_creation_sql())
        self.duck_conn.execute(show.fs_global_creation_sql())
        self.duck_conn.execute("SET GLOBAL TimeZone = 'UTC'")
        # The default, 16 MB, writes the tables' files anew after each large batch. A killed server replays the log.
        self.duck_conn.execute(f"SET GLOBAL checkpoint_threshold = '{LOG_LIMIT}'")
        stage.LOCAL_BUCKET_PATH = str(folder / "stages")


def open_warehouse(folder: Path, database: str) -> DiskWarehouse:
    """Open the warehouse in ``folder`` with every database attached; create ``database`` when it is missing.

    Raises:
        duckdb.IOException: another process has the folder open.
    """
    folder.mkdir(parents=True, exist_ok=True)
    warehouse = DiskWarehouse(folder)
    for name in sorted({path.stem for path in folder.glob("*.db")} | {database.upper()}):
        connection = warehouse.connect(name)
        drop_leftovers(connection)
        connection.close()
    return warehouse

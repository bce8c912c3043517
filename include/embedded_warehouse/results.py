"""Results in Snowflake's types: NULL timestamps stay NULL, and every DuckDB type has a Snowflake name.

fakesnow sends each NULL TIMESTAMP as 1970-01-01, fails on DuckDB's small integers, FLOAT and UUID, and breaks on a
table comment with an apostrophe.
"""

from __future__ import annotations

import fakesnow.arrow
import fakesnow.info_schema
import fakesnow.rowtype
import pyarrow as pa
import pyarrow.compute as pc

MISSING_TYPES = {
    **dict.fromkeys(("TINYINT", "SMALLINT", "UTINYINT", "USMALLINT", "UINTEGER", "UHUGEINT"), "fixed"),
    "FLOAT": "real",
    "UUID": "text",
    "TIMESTAMP_S": "timestamp_ntz",
    "TIMESTAMP_MS": "timestamp_ntz",
}

_timestamp_struct = fakesnow.arrow.timestamp_to_sf_struct
_comment_sql = fakesnow.info_schema.insert_table_comment_sql


def timestamp_struct(ts: pa.Array | pa.ChunkedArray) -> pa.StructArray:
    """Return Snowflake's (epoch, fraction) structs; NULL where the timestamp is NULL."""
    array = ts.combine_chunks() if isinstance(ts, pa.ChunkedArray) else ts
    struct = _timestamp_struct(array)
    if not array.null_count:
        return struct
    fields = [struct.type.field(i) for i in range(struct.type.num_fields)]
    filled = [pc.fill_null(struct.field(i), 0) for i in range(len(fields))]
    return pa.StructArray.from_arrays(filled, fields=fields, mask=pc.is_null(array))


def table_comment_sql(catalog: str, schema: str, table: str, comment: str | None) -> str:
    return _comment_sql(catalog, schema, table, (comment or "").replace("'", "''"))


def install() -> None:
    fakesnow.rowtype.duckdb_to_sf_type.update(MISSING_TYPES)
    fakesnow.arrow.timestamp_to_sf_struct = timestamp_struct
    fakesnow.info_schema.insert_table_comment_sql = table_comment_sql

"""What a process that reads from the warehouse in several threads does first, in one."""

from __future__ import annotations


def initialise_connector_logger() -> None:
    """dbt's threads read their first answers at the same moment, and the connector's C++ code can then wait for ever:
    one thread sets its logger up and needs the interpreter, another has the interpreter and waits for that logger.
    """
    import pyarrow as pa
    from snowflake.connector.arrow_context import ArrowConverterContext
    from snowflake.connector.nanoarrow_arrow_iterator import PyArrowRowIterator

    whole = pa.field("N", pa.int64(), metadata={"logicalType": "FIXED", "precision": "38", "scale": "0"})
    text = pa.field("T", pa.string(), metadata={"logicalType": "TEXT"})
    answer = pa.table({"N": [1], "T": ["a"]}, schema=pa.schema([whole, text]))
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, answer.schema) as stream:
        stream.write_table(answer)
    rows = PyArrowRowIterator(None, sink.getvalue().to_pybytes(), ArrowConverterContext({}), False, False, False, True)
    if list(rows) != [(1, "a")]:
        raise ValueError("the connector reads Arrow in another way than this warm-up was written for")

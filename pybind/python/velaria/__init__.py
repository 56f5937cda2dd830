"""Velaria: a local-first data engine.

>>> import velaria
>>> velaria.sql("SELECT 1 + 1 AS two").fetchall()
[(2,)]
"""

from velaria import functions as fn
from velaria._version import __version__
from velaria._velaria import (
    DataFrame,
    Expression,
    RealtimeStreamSink,
    RealtimeStreamSource,
    Schema,
    Session,
    SortKey,
    StreamingDataFrame,
    StreamingQuery,
    col,
    lit,
    sql,
    sql_expr,
    when,
)
from velaria.errors import Error
from velaria.excel import read_excel

__all__ = [
    "__version__",
    "Session",
    "DataFrame",
    "StreamingDataFrame",
    "StreamingQuery",
    "RealtimeStreamSource",
    "RealtimeStreamSink",
    "Schema",
    "Error",
    "read_excel",
    "sql",
    "Expression",
    "SortKey",
    "col",
    "fn",
    "lit",
    "sql_expr",
    "when",
]

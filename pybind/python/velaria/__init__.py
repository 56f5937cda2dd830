"""Velaria: a local-first data engine.

>>> import velaria
>>> velaria.sql("SELECT 1 + 1 AS two").fetchall()
[(2,)]
"""

from typing import TYPE_CHECKING, Any, Dict

from velaria._version import __version__
from velaria._velaria import (
    DataFrame,
    RealtimeStreamSink,
    RealtimeStreamSource,
    Schema,
    Session,
    StreamingDataFrame,
    StreamingQuery,
    sql,
)
from velaria.errors import Error
from velaria.excel import read_excel

if TYPE_CHECKING:
    from velaria.bitable import BitableClient, group_rows_by_field, group_rows_count_by_field

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
    "BitableClient",
    "group_rows_by_field",
    "group_rows_count_by_field",
    "sql",
]

# Names of modules that few programs need: they are imported with the first use.
_LAZY: Dict[str, str] = {
    "BitableClient": "velaria.bitable",
    "group_rows_by_field": "velaria.bitable",
    "group_rows_count_by_field": "velaria.bitable",
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError("module 'velaria' has no attribute {!r}".format(name))
    from importlib import import_module

    value = getattr(import_module(_LAZY[name]), name)
    globals()[name] = value
    return value

"""Velaria: a local-first data engine.

>>> import velaria
>>> velaria.sql("SELECT 1 + 1 AS two").fetchall()
[(2,)]
"""

from typing import TYPE_CHECKING, Any, List

from velaria import functions as fn
from velaria._version import __version__
from velaria._velaria import (
    DataFrame,
    Emission,
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

if TYPE_CHECKING:
    from velaria.bitable import BitableClient, group_rows_by_field, group_rows_count_by_field
    from velaria.custom_stream import (
        CustomArrowStreamSink,
        CustomArrowStreamSource,
        CustomStreamEmitOptions,
        consume_arrow_batches_with_custom_sink,
        create_stream_from_custom_source,
    )

# Names of modules that are imported when the first of their names is used: `import velaria` stays fast.
_LAZY = {
    "BitableClient": "velaria.bitable",
    "group_rows_by_field": "velaria.bitable",
    "group_rows_count_by_field": "velaria.bitable",
    "CustomArrowStreamSource": "velaria.custom_stream",
    "CustomArrowStreamSink": "velaria.custom_stream",
    "CustomStreamEmitOptions": "velaria.custom_stream",
    "create_stream_from_custom_source": "velaria.custom_stream",
    "consume_arrow_batches_with_custom_sink": "velaria.custom_stream",
}

__all__ = [
    "__version__",
    "Session",
    "DataFrame",
    "StreamingDataFrame",
    "StreamingQuery",
    "CustomArrowStreamSource",
    "CustomArrowStreamSink",
    "CustomStreamEmitOptions",
    "create_stream_from_custom_source",
    "consume_arrow_batches_with_custom_sink",
    "read_excel",
    "BitableClient",
    "group_rows_by_field",
    "group_rows_count_by_field",
    # Those above are the original's, in its order.
    "Emission",
    "RealtimeStreamSource",
    "RealtimeStreamSink",
    "Schema",
    "Error",
    "sql",
    "Expression",
    "SortKey",
    "col",
    "fn",
    "lit",
    "sql_expr",
    "when",
]


def __getattr__(name: str) -> Any:
    module = _LAZY.get(name)
    if module is None:
        raise AttributeError("module 'velaria' has no attribute {!r}".format(name))
    import importlib

    value = globals()[name] = getattr(importlib.import_module(module), name)
    return value


def __dir__() -> List[str]:
    return sorted({*globals(), *_LAZY})

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
    from velaria.notebook import load_ipython_extension as load_ipython_extension
    from velaria.notebook import unload_ipython_extension as unload_ipython_extension
    from velaria.progress import Progress, ProgressBar

# What stands in modules that are imported when it is used first, so that `import velaria` stays fast: the module, and the name there.
_LATE = {
    "BitableClient": ("velaria.bitable", "BitableClient"),
    "group_rows_by_field": ("velaria.bitable", "group_rows_by_field"),
    "group_rows_count_by_field": ("velaria.bitable", "group_rows_count_by_field"),
    "CustomArrowStreamSource": ("velaria.custom_stream", "CustomArrowStreamSource"),
    "CustomArrowStreamSink": ("velaria.custom_stream", "CustomArrowStreamSink"),
    "CustomStreamEmitOptions": ("velaria.custom_stream", "CustomStreamEmitOptions"),
    "create_stream_from_custom_source": ("velaria.custom_stream", "create_stream_from_custom_source"),
    "consume_arrow_batches_with_custom_sink": ("velaria.custom_stream", "consume_arrow_batches_with_custom_sink"),
    "Progress": ("velaria.progress", "Progress"),
    "ProgressBar": ("velaria.progress", "ProgressBar"),
    "dbapi": ("velaria.dbapi", None),
    "load_ipython_extension": ("velaria.notebook", "load_ipython_extension"),
    "notebook": ("velaria.notebook", None),
    "progress": ("velaria.progress", None),
    "unload_ipython_extension": ("velaria.notebook", "unload_ipython_extension"),
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
    "Progress",
    "ProgressBar",
    "sql",
    "Expression",
    "SortKey",
    "col",
    "fn",
    "lit",
    "sql_expr",
    "when",
]


def __dir__() -> List[str]:
    return sorted({*globals(), *_LATE})


if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        if name not in _LATE:
            raise AttributeError("module 'velaria' has no attribute {!r}".format(name))
        import importlib

        path, attribute = _LATE[name]
        module = importlib.import_module(path)
        value = module if attribute is None else getattr(module, attribute)
        globals()[name] = value
        return value

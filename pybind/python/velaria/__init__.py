"""Velaria: a local-first data engine.

>>> import velaria
>>> velaria.sql("SELECT 1 + 1 AS two").fetchall()
[(2,)]
"""

from typing import TYPE_CHECKING, Any

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
    "Progress",
    "ProgressBar",
    "read_excel",
    "sql",
]

# What stands in modules that are imported when they are needed first: the module, and the name there.
_LATE = {
    "Progress": ("velaria.progress", "Progress"),
    "ProgressBar": ("velaria.progress", "ProgressBar"),
    "dbapi": ("velaria.dbapi", None),
    "load_ipython_extension": ("velaria.notebook", "load_ipython_extension"),
    "notebook": ("velaria.notebook", None),
    "progress": ("velaria.progress", None),
    "unload_ipython_extension": ("velaria.notebook", "unload_ipython_extension"),
}

if TYPE_CHECKING:
    from velaria.notebook import load_ipython_extension as load_ipython_extension
    from velaria.notebook import unload_ipython_extension as unload_ipython_extension
    from velaria.progress import Progress, ProgressBar
else:

    def __getattr__(name: str) -> Any:
        if name not in _LATE:
            raise AttributeError("module 'velaria' has no attribute {!r}".format(name))
        import importlib

        path, attribute = _LATE[name]
        module = importlib.import_module(path)
        value = module if attribute is None else getattr(module, attribute)
        globals()[name] = value
        return value

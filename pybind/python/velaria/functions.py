"""The functions of SQL under their names.

>>> import velaria
>>> from velaria import col, fn
>>> frame = velaria.sql("SELECT 'ada' AS name, 3 AS n")
>>> frame.select(fn.upper(col("name")), fn.greatest(col("n"), 5).alias("most")).fetchall()
[('ADA', 5)]

Each name is that of the function in SQL, which docs/sql.md lists; a name that Python has for itself may end with an
underscore: ``fn.if_``. Arguments are expressions and values: a text is a value, not a column. Aggregates take ``distinct``,
``order_by`` and ``filter``; ``over`` makes any of them a window function. Whether there is such a function is seen when a
query is planned.
"""

from functools import partial
from typing import Callable

from velaria._velaria import Expression, call


def __getattr__(name: str) -> Callable[..., Expression]:
    if name.startswith("_"):
        raise AttributeError("module {!r} has no attribute {!r}".format(__name__, name))
    return partial(call, name.rstrip("_"))

"""Velaria: a local-first data engine.

>>> import velaria
>>> velaria.sql("SELECT 1 + 1 AS two").fetchall()
[(2,)]
"""

from velaria._version import __version__
from velaria._velaria import DataFrame, Schema, Session, sql
from velaria.errors import Error
from velaria.excel import read_excel

__all__ = ["__version__", "Session", "DataFrame", "Schema", "Error", "read_excel", "sql"]

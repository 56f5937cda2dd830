"""The engines, each behind one method: SQL in, rows or a typed error out.

Velaria is the engine under test. DuckDB and SQLite are the oracles; DuckDB is optional.
"""

import sqlite3
from dataclasses import dataclass
from typing import Any, Dict, List, Optional, Tuple

Row = Tuple[Any, ...]

# What an error is about, found in its text. Two engines that fail for the same reason agree.
REASONS: Dict[str, Tuple[str, ...]] = {
    "overflow": ("VEL-5004", "overflow", "out of range", "Out of Range"),
    "division": ("VEL-5005", "ivision by zero", "divide by zero"),
    "conversion": ("VEL-5003", "Conversion Error", "Could not convert"),
}


@dataclass(frozen=True)
class Answer:
    """Rows, or the text of an error."""

    rows: Optional[List[Row]] = None
    error: str = ""

    @property
    def reason(self) -> str:
        """Overflow, division, conversion, or "refused" for everything else."""
        for reason, signs in REASONS.items():
            if any(sign in self.error for sign in signs):
                return reason
        return "refused"


class Engine:
    """One engine with one fresh, empty database."""

    name = ""

    def rows(self, sql: str) -> List[Row]:
        raise NotImplementedError

    def answer(self, sql: str) -> Answer:
        try:
            return Answer(rows=self.rows(sql))
        except Exception as error:  # Whatever an engine raises is its answer.
            return Answer(error=str(error) or repr(error))


class Velaria(Engine):
    name = "velaria"

    def __init__(self) -> None:
        import velaria

        self.session = velaria.Session()

    def rows(self, sql: str) -> List[Row]:
        return list(self.session.sql(sql).fetchall())


class DuckDB(Engine):
    name = "duckdb"

    def __init__(self) -> None:
        import duckdb

        self.connection = duckdb.connect(config={"threads": "1"})
        self.connection.execute("SET integer_division = true")

    def rows(self, sql: str) -> List[Row]:
        return list(self.connection.execute(sql).fetchall())


class SQLite(Engine):
    name = "sqlite"

    def __init__(self) -> None:
        self.connection = sqlite3.connect(":memory:", isolation_level=None)
        self.connection.execute("PRAGMA case_sensitive_like = ON")

    def rows(self, sql: str) -> List[Row]:
        return list(self.connection.execute(sql).fetchall())


def has_duckdb() -> bool:
    try:
        import duckdb  # noqa: F401
    except ImportError:
        return False
    return True


def oracles(portable: bool, duckdb: bool) -> List[Engine]:
    """The engines that can judge a database: SQLite only a portable one, DuckDB where it is installed."""
    found: List[Engine] = [DuckDB()] if duckdb else []
    return found + ([SQLite()] if portable else [])

"""The Python database API (`PEP 249 <https://peps.python.org/pep-0249/>`_) over a session.

>>> from velaria import dbapi
>>> with dbapi.connect() as connection, connection.cursor() as cursor:
...     cursor.execute("CREATE TABLE people (id BIGINT, name STRING)").rowcount
...     cursor.executemany("INSERT INTO people VALUES (?, ?)", [(1, "Ada"), (2, "Bo")]).rowcount
...     cursor.execute("SELECT name FROM people WHERE id = :id", {"id": 2}).fetchone()
0
2
('Bo',)

Each statement is complete when it has run: there are no transactions, and so nothing that ``rollback`` could undo.
"""

import datetime
import re
import time
from typing import Any, Iterable, Iterator, List, Mapping, NoReturn, Optional, Sequence, Tuple, Type, Union

from velaria import errors
from velaria._failure import failure
from velaria._velaria import DataFrame, Session
from velaria.errors import (
    DatabaseError,
    DataError,
    Error,
    IntegrityError,
    InterfaceError,
    InternalError,
    NotSupportedError,
    OperationalError,
    ProgrammingError,
    Warning,
)

__all__ = [
    "BINARY",
    "Binary",
    "Connection",
    "Cursor",
    "DATETIME",
    "DataError",
    "DatabaseError",
    "Date",
    "DateFromTicks",
    "Error",
    "IntegrityError",
    "InterfaceError",
    "InternalError",
    "NUMBER",
    "NotSupportedError",
    "OperationalError",
    "ProgrammingError",
    "ROWID",
    "STRING",
    "Time",
    "TimeFromTicks",
    "Timestamp",
    "TimestampFromTicks",
    "TypeCode",
    "Warning",
    "apilevel",
    "connect",
    "paramstyle",
    "threadsafety",
]

apilevel = "2.0"
#: Threads may share the module and connections; each has cursors of its own.
threadsafety = 2
#: ``?`` with a sequence. ``$1`` with a sequence and ``:name`` with a mapping work as well.
paramstyle = "qmark"

_Parameters = Union[Sequence[object], Mapping[str, object]]

# (name, type_code, display_size, internal_size, precision, scale, null_ok)
_Description = Tuple[str, str, None, None, Optional[int], Optional[int], None]


def Date(year: int, month: int, day: int) -> datetime.date:
    """A date.

    >>> from velaria import dbapi
    >>> dbapi.Date(2026, 11, 22)
    datetime.date(2026, 11, 22)
    """
    return datetime.date(year, month, day)


def Time(hour: int, minute: int, second: int) -> datetime.time:
    """A time of day.

    >>> from velaria import dbapi
    >>> dbapi.Time(10, 30, 0)
    datetime.time(10, 30)
    """
    return datetime.time(hour, minute, second)


def Timestamp(year: int, month: int, day: int, hour: int, minute: int, second: int) -> datetime.datetime:
    """A date and time.

    >>> from velaria import dbapi
    >>> dbapi.Timestamp(2026, 11, 22, 10, 30, 0)
    datetime.datetime(2026, 11, 22, 10, 30)
    """
    return datetime.datetime(year, month, day, hour, minute, second)


def Binary(value: Union[bytes, bytearray, memoryview]) -> bytes:
    """Bytes.

    >>> from velaria import dbapi
    >>> dbapi.Binary(bytearray([1, 2]))
    b'\\x01\\x02'
    """
    return bytes(value)


def DateFromTicks(ticks: float) -> datetime.date:
    """The local date, ``ticks`` seconds after the epoch.

    >>> from velaria import dbapi
    >>> dbapi.DateFromTicks(86400.0 * 365).year
    1971
    """
    return datetime.date(*time.localtime(ticks)[:3])


def TimeFromTicks(ticks: float) -> datetime.time:
    """The local time of day, ``ticks`` seconds after the epoch.

    >>> from velaria import dbapi
    >>> dbapi.TimeFromTicks(90.0).second
    30
    """
    return datetime.time(*time.localtime(ticks)[3:6])


def TimestampFromTicks(ticks: float) -> datetime.datetime:
    """The local date and time, ``ticks`` seconds after the epoch.

    >>> from velaria import dbapi
    >>> dbapi.TimestampFromTicks(90.0).second
    30
    """
    return datetime.datetime(*time.localtime(ticks)[:6])


class TypeCode:
    """A kind of columns: equal to the type codes, which are Arrow types as text, of columns of this kind.

    >>> from velaria import dbapi
    >>> cursor = dbapi.connect().cursor().execute("SELECT 1 AS id, 'a' AS name")
    >>> [column[1] for column in cursor.description]
    ['Int64', 'Utf8']
    >>> cursor.description[0][1] == dbapi.NUMBER, cursor.description[1][1] == dbapi.NUMBER
    (True, False)
    """

    def __init__(self, name: str, *prefixes: str) -> None:
        self._name = name
        self._prefixes = prefixes

    def __eq__(self, other: object) -> bool:
        if isinstance(other, TypeCode):
            return self is other
        return isinstance(other, str) and other.startswith(self._prefixes)

    def __hash__(self) -> int:
        return hash(self._name)

    def __repr__(self) -> str:
        return "velaria.dbapi." + self._name


STRING = TypeCode("STRING", "Utf8", "LargeUtf8")
BINARY = TypeCode("BINARY", "Binary", "LargeBinary", "FixedSizeBinary")
NUMBER = TypeCode("NUMBER", "Int8", "Int16", "Int32", "Int64", "UInt", "Float", "Decimal", "Boolean")
DATETIME = TypeCode("DATETIME", "Date", "Time", "Duration", "Interval")
#: No column is one: rows have no ids.
ROWID = TypeCode("ROWID", "RowId")

_DECIMAL = re.compile(r"Decimal\d+\((\d+), *(-?\d+)\)")


def connect(database: Optional[str] = None, *, session: Optional[Session] = None, **options: Any) -> "Connection":
    """A connection to a new session, which is made with ``options``, or to ``session``, which it leaves open.

    ``database`` is there for programs that pass one: tables live in memory, so it is ``":memory:"`` or nothing.

    >>> from velaria import dbapi
    >>> dbapi.connect(":memory:", threads=2).cursor().execute("SELECT 1 AS a").fetchall()
    [(1,)]
    """
    if database not in (None, "", ":memory:"):
        raise failure(
            errors.UsageError, "there is no database to open: " + str(database), "VEL-7001", "read files by their names in SQL"
        )
    if session is None:
        return Connection(Session(**options), owned=True)
    if options:
        raise failure(errors.UsageError, "a session has its options already: " + ", ".join(sorted(options)), "VEL-7001")
    return Connection(session, owned=False)


class Connection:
    """A session as a database connection; :func:`connect` makes it.

    >>> from velaria import dbapi
    >>> connection = dbapi.connect()
    >>> connection.cursor().execute("SELECT 2 AS two").fetchone()
    (2,)
    """

    # The exceptions, for programs that have a connection and no module.
    Warning = Warning
    Error = Error
    InterfaceError = InterfaceError
    DatabaseError = DatabaseError
    DataError = DataError
    OperationalError = OperationalError
    IntegrityError = IntegrityError
    InternalError = InternalError
    ProgrammingError = ProgrammingError
    NotSupportedError = NotSupportedError

    def __init__(self, session: Session, *, owned: bool) -> None:
        self._session: Optional[Session] = session
        self._owned = owned
        self._changed = False

    @property
    def session(self) -> Session:
        """The session, with all that this interface does not offer.

        >>> connection.session
        <velaria.Session>
        """
        if self._session is None:
            raise failure(InterfaceError, "the connection is closed", "VEL-7002")
        return self._session

    def cursor(self) -> "Cursor":
        """A new cursor.

        >>> connection.cursor().rowcount
        -1
        """
        self.session
        return Cursor(self)

    def commit(self) -> None:
        """Does nothing: what a statement did is done.

        >>> connection.commit()
        """
        self.session
        self._changed = False

    def rollback(self) -> None:
        """Does nothing where nothing was changed since the last ``commit``; else it cannot be undone, which is an error.

        >>> connection.rollback()
        >>> connection.cursor().execute("CREATE TABLE kept AS SELECT 1 AS a").rowcount
        1
        >>> connection.rollback()
        Traceback (most recent call last):
            ...
        velaria.errors.NotSupportedError: changes cannot be undone: there are no transactions [VEL-3001]
        hint: call commit() instead
        """
        self.session
        if self._changed:
            raise failure(
                NotSupportedError, "changes cannot be undone: there are no transactions", "VEL-3001", "call commit() instead"
            )

    def interrupt(self) -> None:
        """Ends the statements that other threads run on this connection now.

        >>> connection.interrupt()
        """
        self.session.interrupt()

    def close(self) -> None:
        """Closes the connection, and the session that was made for it. Its cursors cannot be used any more.

        >>> closed = dbapi.connect()
        >>> closed.close()
        >>> closed.cursor()
        Traceback (most recent call last):
            ...
        velaria.errors.InterfaceError: the connection is closed [VEL-7002]
        """
        session, self._session = self._session, None
        if session is not None and self._owned:
            session.close()

    def __enter__(self) -> "Connection":
        self.session
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()


class Cursor:
    """Runs statements, one at a time, and hands out their rows as the query makes them.

    >>> from velaria import dbapi
    >>> cursor = dbapi.connect().cursor()
    >>> cursor.execute("SELECT v FROM range(5) AS t(v) WHERE v >= ? ORDER BY v", [2]).fetchmany(2)
    [(2,), (3,)]
    >>> list(cursor), cursor.rowcount
    ([(4,)], 3)
    """

    def __init__(self, connection: Connection) -> None:
        #: The connection.
        self.connection = connection
        #: How many rows ``fetchmany`` gives when it is not told.
        self.arraysize = 1
        #: A tuple of seven for each column, ``None`` when there are no rows to fetch.
        self.description: Optional[List[_Description]] = None
        #: The rows that the statement changed, or those that the query gave once all of them are fetched, else -1.
        self.rowcount = -1
        #: The number of the row that is fetched next, from 0 on; ``None`` when there are no rows to fetch.
        self.rownumber: Optional[int] = None
        #: Always ``None``: rows have no ids.
        self.lastrowid: None = None
        self._rows: Any = None
        self._closed = False

    def execute(self, operation: str, parameters: Optional[_Parameters] = None) -> "Cursor":
        """Runs one statement, with a sequence for its ``?`` or ``$1`` or a mapping for its ``:name``, and gives the cursor.

        >>> cursor.execute("SELECT ? AS a", [5]).fetchone()
        (5,)
        """
        self._forget()
        frame = self._run(operation, parameters)
        affected = frame.affected_rows
        if affected is None:
            rows = frame._open_rows()
            self._rows, self.rownumber = rows, 0
            self.description = [_column(name, kind) for name, kind in zip(frame.columns, frame.schema.types)]
        else:
            self.rowcount = affected
        return self

    def executemany(self, operation: str, seq_of_parameters: Iterable[_Parameters]) -> "Cursor":
        """Runs a statement that has no rows once for each of many parameters. What was done before an error stays done.

        >>> cursor.execute("CREATE TABLE t (a BIGINT)").executemany("INSERT INTO t VALUES (?)", [(1,), (2,)]).rowcount
        2
        """
        self._forget()
        total = 0
        for parameters in seq_of_parameters:
            frame = self._run(operation, parameters)
            if frame.affected_rows is None:
                raise failure(ProgrammingError, "executemany() runs no queries", "VEL-7001", "call execute() for each")
            total += frame.affected_rows
        self.rowcount = total
        return self

    def fetchone(self) -> Optional[Tuple[Any, ...]]:
        """The next row, or ``None`` at the end.

        >>> cursor.execute("SELECT 5 AS a").fetchone()
        (5,)
        >>> cursor.fetchone() is None
        True
        """
        rows = self._fetch(1)
        return rows[0] if rows else None

    def fetchmany(self, size: Optional[int] = None) -> List[Tuple[Any, ...]]:
        """The next rows, ``arraysize`` by default; fewer at the end.

        >>> cursor.execute("SELECT v FROM range(3) AS t(v) ORDER BY v").fetchmany(2)
        [(0,), (1,)]
        """
        size = self.arraysize if size is None else size
        if size < 0:
            raise failure(errors.UsageError, "size cannot be negative: {}".format(size), "VEL-7001")
        return self._fetch(size)

    def fetchall(self) -> List[Tuple[Any, ...]]:
        """All rows that are left.

        >>> cursor.execute("SELECT 5 AS a").fetchall()
        [(5,)]
        """
        return self._fetch(None)

    def setinputsizes(self, sizes: Sequence[object]) -> None:
        """Does nothing: values say their types.

        >>> cursor.setinputsizes([int])
        """

    def setoutputsize(self, size: int, column: Optional[int] = None) -> None:
        """Does nothing: no value is cut.

        >>> cursor.setoutputsize(100)
        """

    def nextset(self) -> NoReturn:
        """There is one result for each statement.

        >>> cursor.nextset()
        Traceback (most recent call last):
            ...
        velaria.errors.NotSupportedError: a statement has one result [VEL-3001]
        """
        raise failure(NotSupportedError, "a statement has one result", "VEL-3001")

    def callproc(self, procname: str, parameters: Sequence[object] = ()) -> NoReturn:
        """There are no stored procedures.

        >>> cursor.callproc("p")
        Traceback (most recent call last):
            ...
        velaria.errors.NotSupportedError: there are no stored procedures [VEL-3001]
        """
        raise failure(NotSupportedError, "there are no stored procedures", "VEL-3001")

    def close(self) -> None:
        """Drops the rows that are left, and stops the query that makes them.

        >>> done = dbapi.connect().cursor()
        >>> done.close()
        >>> done.execute("SELECT 1")
        Traceback (most recent call last):
            ...
        velaria.errors.InterfaceError: the cursor is closed [VEL-7002]
        """
        self._forget()
        self._closed = True

    def __iter__(self) -> Iterator[Tuple[Any, ...]]:
        return self

    def __next__(self) -> Tuple[Any, ...]:
        row = self.fetchone()
        if row is None:
            raise StopIteration
        return row

    def __enter__(self) -> "Cursor":
        self._check()
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def _run(self, operation: str, parameters: Optional[_Parameters]) -> DataFrame:
        session = self._check()
        if parameters is not None and not isinstance(parameters, (list, tuple, dict)):
            parameters = dict(parameters) if isinstance(parameters, Mapping) else _listed(parameters)
        # No variables: those in reach are ours, and not the caller's.
        frame = session._sql_alone(operation, parameters)
        if frame.affected_rows is not None:
            self.connection._changed = True
        return frame

    def _fetch(self, size: Optional[int]) -> List[Tuple[Any, ...]]:
        self._check()
        if self._rows is None or self.rownumber is None:
            raise failure(ProgrammingError, "there are no rows to fetch", "VEL-7001", "execute a query first")
        rows: List[Tuple[Any, ...]] = self._rows.fetch(size)
        self.rownumber += len(rows)
        if size is None or len(rows) < size:
            self.rowcount = self.rownumber
        return rows

    def _check(self) -> Session:
        if self._closed:
            raise failure(InterfaceError, "the cursor is closed", "VEL-7002")
        return self.connection.session

    def _forget(self) -> None:
        self._rows, self.rownumber, self.description, self.rowcount = None, None, None, -1


def _listed(parameters: object) -> List[object]:
    kind: Type[Error] = errors.ArgumentTypeError
    if isinstance(parameters, (str, bytes)) or not isinstance(parameters, Iterable):
        raise failure(kind, "parameters must be a sequence or a mapping", "VEL-7001", "write (value,) for a single one")
    return list(parameters)


def _column(name: str, kind: str) -> _Description:
    found = _DECIMAL.match(kind)
    precision, scale = (int(found[1]), int(found[2])) if found else (None, None)
    return (name, kind, None, None, precision, scale, None)

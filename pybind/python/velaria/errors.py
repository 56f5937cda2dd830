"""The exceptions of Velaria.

Each kind of error is one class, named after what the caller does next. All of them are ``RuntimeError`` as well, those
that have a counterpart among the builtins are that too, and they stand in the tree of the Python database API
(`PEP 249 <https://peps.python.org/pep-0249/>`_).
"""

import builtins
from typing import Any, Dict, NamedTuple, Optional, Tuple

__all__ = [
    "AccessDeniedError",
    "ArgumentTypeError",
    "BitableClientError",
    "CancelledError",
    "CatalogError",
    "DataError",
    "DatabaseError",
    "Error",
    "FileMissingError",
    "IntegrityError",
    "InterfaceError",
    "InternalError",
    "IoError",
    "NotSupportedError",
    "OperationalError",
    "ParseError",
    "PlanError",
    "Position",
    "ProgrammingError",
    "RemoteError",
    "ResourceError",
    "RunDeleteConflictError",
    "SqlError",
    "TimeoutError",
    "UnsupportedError",
    "UsageError",
    "Warning",
]


class Position(NamedTuple):
    """A place in the text of a statement.

    >>> try:
    ...     velaria.sql("SELECT 1 AS a WHERE b")
    ... except velaria.Error as error:
    ...     print(error.position.line, error.position.column, error.position.length)
    1 21 1
    """

    line: int
    """Line, counted from 1."""
    column: int
    """Column in characters, counted from 1."""
    length: int
    """Number of characters that are marked."""
    text: str
    """The whole line."""


class Warning(builtins.Warning):
    """What a reader has to say about a file that it did read, such as error cells that became NULL.

    >>> import warnings
    >>> with open("app.log", "w") as log:
    ...     _ = log.write("WARN disk is full\\nstarted\\n")
    >>> with warnings.catch_warnings(record=True) as said:
    ...     warnings.simplefilter("always")
    ...     frame = velaria.Session().read_line_file("app.log", mode="regex", regex_pattern="([A-Z]+) (.*)")
    ...     frame.count(), said[0].category
    (1, <class 'velaria.errors.Warning'>)
    """


class Error(RuntimeError):
    """The base of every error of Velaria.

    ``str(error)`` is the whole report: message, code, caret line and hint.

    >>> try:
    ...     velaria.sql("SELECT nope")
    ... except velaria.errors.Error as error:
    ...     print(error.code, error.message)
    VEL-2001 column not found: nope
    """

    message: str
    """What happened, in words."""
    code: Optional[str]
    """The stable name of what happened, such as ``VEL-2001``."""
    hint: Optional[str]
    """How to go on."""
    position: Optional[Position]
    """Where in the statement."""

    def __init__(
        self,
        text: str = "",
        *,
        message: Optional[str] = None,
        code: Optional[str] = None,
        hint: Optional[str] = None,
        position: Optional[Position] = None,
    ) -> None:
        super().__init__(text)
        self.message = text if message is None else message
        self.code = code
        self.hint = hint
        self.position = position

    def __reduce__(self) -> Tuple[Any, ...]:
        state: Dict[str, Any] = {key: getattr(self, key) for key in ("message", "code", "hint", "position")}
        return (type(self), self.args, state)


class InterfaceError(Error):
    """The library was used in a way that it does not offer.

    >>> try:
    ...     velaria.sql("SELECT 1").limit(-1)
    ... except velaria.errors.InterfaceError as error:
    ...     print(error.code)
    VEL-7001
    """


class DatabaseError(Error):
    """The engine reports an error.

    >>> try:
    ...     velaria.sql("SELECT nope")
    ... except velaria.errors.DatabaseError as error:
    ...     print(error.code)
    VEL-2001
    """


class ProgrammingError(DatabaseError):
    """The statement or the names in it are wrong.

    >>> try:
    ...     velaria.sql("SELECT * FROM nowhere")
    ... except velaria.errors.ProgrammingError as error:
    ...     print(error.code)
    VEL-4001
    """


class NotSupportedError(DatabaseError, NotImplementedError):
    """The engine does not do this.

    >>> try:
    ...     velaria.sql("GRANT ALL ON t TO u")
    ... except velaria.errors.NotSupportedError as error:
    ...     print(error.code)
    VEL-3001
    """


class OperationalError(DatabaseError):
    """The statement is right, but it could not be run now.

    >>> try:
    ...     velaria.Session().read_csv("missing.csv")
    ... except velaria.errors.OperationalError as error:
    ...     print(error.code)
    VEL-6001
    """


class IntegrityError(DatabaseError, ValueError):
    """Change the rows so that they keep the rules of the table.

    >>> session = velaria.Session()
    >>> session.sql("CREATE TABLE people (id INT NOT NULL)").count()
    1
    >>> session.sql("INSERT INTO people VALUES (NULL)")
    Traceback (most recent call last):
        ...
    velaria.errors.IntegrityError: ...
    """


class SqlError(ProgrammingError, ValueError):
    """A statement is wrong.

    >>> try:
    ...     velaria.sql("SELECT 1 +")
    ... except velaria.errors.SqlError as error:
    ...     print(error.code)
    VEL-1001
    """


class ParseError(SqlError):
    """Correct the text of the statement.

    >>> velaria.sql("SELECT 1 +")
    Traceback (most recent call last):
        ...
    velaria.errors.ParseError: ...
    """


class PlanError(SqlError):
    """Correct the names or types used by the statement.

    >>> velaria.sql("SELECT nope")
    Traceback (most recent call last):
        ...
    velaria.errors.PlanError: ...
    """


class UnsupportedError(SqlError, NotSupportedError):
    """Say it another way: the engine does not do this.

    >>> velaria.sql("GRANT ALL ON t TO u")
    Traceback (most recent call last):
        ...
    velaria.errors.UnsupportedError: ...
    """


class CatalogError(ProgrammingError, LookupError):
    """Name another table, or create or drop the one that is named.

    >>> velaria.sql("SELECT * FROM nowhere")
    Traceback (most recent call last):
        ...
    velaria.errors.CatalogError: ...
    """


class UsageError(InterfaceError, ValueError):
    """Correct the arguments of the call.

    >>> velaria.sql("SELECT 1").limit(-1)
    Traceback (most recent call last):
        ...
    velaria.errors.UsageError: ...
    """


class RunDeleteConflictError(UsageError):
    """Wait until the run has ended.

    >>> from velaria.workspace import ArtifactIndex, create_run, read_run
    >>> index, (run_id, _) = ArtifactIndex(), create_run("csv-sql", {}, "0.1.0")
    >>> index.upsert_run(read_run(run_id))
    >>> index.delete_run(run_id)
    Traceback (most recent call last):
        ...
    velaria.errors.RunDeleteConflictError: ...
    """


class ArgumentTypeError(InterfaceError, TypeError):
    """Pass an argument of another type.

    >>> velaria.Session().create_dataframe_from_arrow(7)
    Traceback (most recent call last):
        ...
    velaria.errors.ArgumentTypeError: ...
    """


class DataError(DatabaseError, ValueError):
    """Repair the data, or cast it on purpose.

    >>> velaria.sql("SELECT CAST('x' AS INT)").fetchall()
    Traceback (most recent call last):
        ...
    velaria.errors.DataError: ...
    """


class IoError(OperationalError, OSError):
    """Make the file readable or writable, then try again.

    >>> frame = velaria.sql("SELECT 1 AS a")
    >>> frame.write_csv("a.csv")
    1
    >>> frame.write_csv("a.csv")
    Traceback (most recent call last):
        ...
    velaria.errors.IoError: ...
    """


class FileMissingError(IoError, FileNotFoundError):
    """Name a file that exists.

    >>> velaria.Session().read_csv("missing.csv")
    Traceback (most recent call last):
        ...
    velaria.errors.FileMissingError: ...
    """


class AccessDeniedError(IoError, PermissionError):
    """Ask whoever made the session for the access.

    >>> velaria.Session(allow_local_files=False).read_csv("a.csv")
    Traceback (most recent call last):
        ...
    velaria.errors.AccessDeniedError: ...
    """


class RemoteError(OperationalError):
    """Look at the service: its answer, its rights, its reachability.

    >>> try:
    ...     client.list_records("bascn1", "tbl2")
    ... except velaria.errors.RemoteError as error:
    ...     print(error.code)
    VEL-6301
    """


class BitableClientError(RemoteError):
    """The service behind a Bitable refused a request, did not answer, or answered something else.

    >>> try:
    ...     client.list_records("bascn1", "tbl2")
    ... except velaria.errors.BitableClientError as error:
    ...     print(error.message)
    list records failed: code=1254041 msg=TableIdNotFound
    """


class ResourceError(OperationalError, MemoryError):
    """Give the query more memory, or make it smaller.

    >>> session = velaria.Session(memory_limit="16MiB")
    >>> session.sql("SELECT array_agg(v) FROM range(100000000) AS t(v)").fetchall()
    Traceback (most recent call last):
        ...
    velaria.errors.ResourceError: ...
    """


class TimeoutError(OperationalError, builtins.TimeoutError):
    """Give the query more time, or make it smaller.

    >>> session = velaria.Session(statement_timeout=0.1)
    >>> session.sql("SELECT COUNT(*) FROM range(1000000000000000) AS t(v) WHERE v % 7 = 9").fetchall()
    Traceback (most recent call last):
        ...
    velaria.errors.TimeoutError: ...
    """


class CancelledError(OperationalError):
    """The query was cancelled.

    >>> issubclass(velaria.errors.CancelledError, velaria.errors.OperationalError)
    True
    """


class InternalError(DatabaseError):
    """Report a bug.

    >>> issubclass(velaria.errors.InternalError, velaria.errors.DatabaseError)
    True
    """

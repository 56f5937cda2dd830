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
    "ResourceError",
    "RunDeleteConflictError",
    "SqlError",
    "TimeoutError",
    "UnsupportedError",
    "UsageError",
    "Warning",
]


class Position(NamedTuple):
    """A place in the text of a statement."""

    line: int
    """Line, counted from 1."""
    column: int
    """Column in characters, counted from 1."""
    length: int
    """Number of characters that are marked."""
    text: str
    """The whole line."""


class Warning(builtins.Warning):
    """What a reader has to say about a file that it did read, such as error cells that became NULL."""


class Error(RuntimeError):
    """The base of every error of Velaria.

    ``str(error)`` is the whole report: message, code, caret line and hint.
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
    """The library was used in a way that it does not offer."""


class DatabaseError(Error):
    """The engine reports an error."""


class ProgrammingError(DatabaseError):
    """The statement or the names in it are wrong."""


class NotSupportedError(DatabaseError, NotImplementedError):
    """The engine does not do this."""


class OperationalError(DatabaseError):
    """The statement is right, but it could not be run now."""


class IntegrityError(DatabaseError, ValueError):
    """Change the rows so that they keep the rules of the table."""


class SqlError(ProgrammingError, ValueError):
    """A statement is wrong."""


class ParseError(SqlError):
    """Correct the text of the statement."""


class PlanError(SqlError):
    """Correct the names or types used by the statement."""


class UnsupportedError(SqlError, NotSupportedError):
    """Say it another way: the engine does not do this."""


class CatalogError(ProgrammingError, LookupError):
    """Name another table, or create or drop the one that is named."""


class UsageError(InterfaceError, ValueError):
    """Correct the arguments of the call."""


class RunDeleteConflictError(UsageError):
    """Wait until the run has ended."""


class ArgumentTypeError(InterfaceError, TypeError):
    """Pass an argument of another type."""


class DataError(DatabaseError, ValueError):
    """Repair the data, or cast it on purpose."""


class IoError(OperationalError, OSError):
    """Make the file readable or writable, then try again."""


class FileMissingError(IoError, FileNotFoundError):
    """Name a file that exists."""


class AccessDeniedError(IoError, PermissionError):
    """Ask whoever made the session for the access."""


class ResourceError(OperationalError, MemoryError):
    """Give the query more memory, or make it smaller."""


class TimeoutError(OperationalError, builtins.TimeoutError):
    """Give the query more time, or make it smaller."""


class CancelledError(OperationalError):
    """The query was cancelled."""


class InternalError(DatabaseError):
    """Report a bug."""

"""Workbooks: ``velaria.read_excel``, with the arguments that pandas has for the same things.

``Session.read_excel`` is the reader below it: it keeps dates and times as such and has more options.
"""

import re
from typing import Any, Callable, Dict, Iterable, List, NamedTuple, Optional, Sequence, Union

from velaria._failure import failure
from velaria._velaria import Session
from velaria.errors import UsageError

__all__ = ["read_excel"]

# What pandas calls options that are the same.
_NAMES = {"skiprows": "skip_rows", "names": "columns", "usecols": "range"}


_LETTERS = re.compile("[A-Za-z]+(:[A-Za-z]+)?")


class _Part(NamedTuple):
    """What is wanted of a sheet that is read: columns by name or place, and so many rows."""

    columns: Optional[List[Union[int, str]]]
    rows: Optional[int]

    def of(self, frame: Any) -> Any:
        if self.columns is not None:
            frame = frame.select(*_chosen(frame.columns, self.columns))
        return frame if self.rows is None else frame.limit(self.rows)


def read_excel(
    session: Any,
    path: Any,
    *,
    sheet_name: Union[int, str, None, Sequence[Union[int, str]]] = 0,
    date_format: str = "%Y-%m-%d",
    coerce_datetime_to_string: bool = True,
    **options: Any,
) -> Any:
    """A frame over a sheet of a workbook.

    ``session`` is a :class:`velaria.Session`, or anything with ``create_dataframe_from_arrow``. Columns of dates become
    text by ``date_format``, which drops times of day, unless ``coerce_datetime_to_string`` is off. ``sheet_name`` is a
    name, a place from 0 on, a list of them, or ``None`` for all sheets: the last two give a dict of frames.

    ``header``, ``skiprows``, ``names``, ``usecols``, ``nrows`` and ``dtype=str`` mean what they mean to pandas, and there is
    one ``engine``. The other options are those of ``Session.read_excel``.

    >>> session = velaria.Session()
    >>> session.sql("COPY (SELECT 'ada' AS name, DATE '2026-03-29' AS joined) TO 'people.xlsx'").count()
    1
    >>> velaria.read_excel(session, "people.xlsx").fetchall()
    [('ada', '2026-03-29')]
    """
    part = _part(options)
    words = _words(options)
    if coerce_datetime_to_string:
        words["date_format"] = date_format
    if sheet_name is None:
        frames: Dict[str, Any] = _read(session, path, "*", words, part)
        return frames
    if isinstance(sheet_name, (int, str)):
        return _read(session, path, sheet_name, words, part)
    return {name: _read(session, path, name, words, part) for name in sheet_name}


def _part(options: Dict[str, Any]) -> _Part:
    """Takes what is done after reading out of ``options``."""
    columns = options.get("usecols")
    if isinstance(columns, str):
        # Letters of columns are a range of cells, which the reader knows.
        if _LETTERS.fullmatch(columns) is None or "range" in options:
            raise _usage("usecols cannot be {!r}".format(columns), "pass letters such as B:D and no range, or a list of names")
        columns = None
    else:
        options.pop("usecols", None)
    if not (columns is None or isinstance(columns, Iterable)):
        hint = "pass letters such as B:D, or a list of names, or of places from 0 on"
        raise _usage("usecols cannot be {!r}".format(columns), hint)
    return _Part(None if columns is None else list(columns), options.pop("nrows", None))


def _words(options: Dict[str, Any]) -> Dict[str, Any]:
    """The options of the reader for those of pandas."""
    options.pop("engine", None)
    dtype = options.pop("dtype", None)
    words = {_NAMES.get(name, name): value for name, value in options.items()}
    if dtype in (str, object, "str", "object"):
        words["all_text"] = True
    elif dtype is not None:
        hint = "types says the type of each column, such as types={'n': 'TEXT'}"
        raise _usage("dtype of a workbook can be str only", hint)
    header = words.get("header")
    if "header" in words and header is None:
        words["header"] = False
    elif isinstance(header, int) and not isinstance(header, bool):
        # pandas counts rows from 0, and the first is where the header is looked for.
        words["header"] = True if header == 0 else header + 1
    return words


def _chosen(names: Sequence[str], wanted: Sequence[Union[int, str]]) -> List[str]:
    """The wanted ones of ``names``. They stay in the order of the sheet, as with pandas."""
    places = range(len(names))
    missing = [str(column) for column in wanted if column not in names and column not in places]
    if missing:
        raise _usage("usecols names no columns of the sheet: " + ", ".join(missing), "there are " + ", ".join(names))
    return [name for place, name in enumerate(names) if name in wanted or place in wanted]


def _usage(message: str, hint: str) -> UsageError:
    return failure(UsageError, message, "VEL-7001", hint)


def _read(session: Any, path: Any, sheet: Union[int, str], options: Dict[str, Any], part: _Part) -> Any:
    # The type counts: what stands in for a session may say that it is one.
    if issubclass(type(session), Session):
        return _parts(session.read_excel(path, sheet=sheet, **options), part.of)
    with Session() as own:
        read = own.read_excel(path, sheet=sheet, **options)
        return _parts(read, lambda frame: session.create_dataframe_from_arrow(part.of(frame).to_arrow()))


def _parts(read: Any, of: Callable[[Any], Any]) -> Any:
    return {name: of(frame) for name, frame in read.items()} if isinstance(read, dict) else of(read)

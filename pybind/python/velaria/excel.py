"""Workbooks: ``velaria.read_excel``, with the arguments that pandas has for the same things.

``Session.read_excel`` is the reader below it: it keeps dates and times as such and has more options.
"""

from typing import Any, Dict, Sequence, Union

from velaria._velaria import Session

__all__ = ["read_excel"]

# What pandas calls options that are the same.
_NAMES = {"skiprows": "skip_rows", "names": "columns", "usecols": "range"}


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

    >>> session = velaria.Session()
    >>> session.sql("COPY (SELECT 'ada' AS name, DATE '2026-03-29' AS joined) TO 'people.xlsx'").count()
    1
    >>> velaria.read_excel(session, "people.xlsx").fetchall()
    [('ada', '2026-03-29')]
    """
    words = {_NAMES.get(name, name): value for name, value in options.items()}
    header = words.get("header")
    if "header" in words and header is None:
        words["header"] = False
    elif isinstance(header, int) and not isinstance(header, bool):
        # pandas counts rows from 0, and the first is where the header is looked for.
        words["header"] = True if header == 0 else header + 1
    if coerce_datetime_to_string:
        words["date_format"] = date_format
    if sheet_name is None:
        frames: Dict[str, Any] = _read(session, path, "*", words)
        return frames
    if isinstance(sheet_name, (int, str)):
        return _read(session, path, sheet_name, words)
    return {name: _read(session, path, name, words) for name in sheet_name}


def _read(session: Any, path: Any, sheet: Union[int, str], options: Dict[str, Any]) -> Any:
    if isinstance(session, Session):
        return session.read_excel(path, sheet=sheet, **options)
    with Session() as own:
        read = own.read_excel(path, sheet=sheet, **options)
        if isinstance(read, dict):
            return {name: session.create_dataframe_from_arrow(frame.to_arrow()) for name, frame in read.items()}
        return session.create_dataframe_from_arrow(read.to_arrow())

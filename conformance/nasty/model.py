"""What a case is, and the one form in which tables of all engines are compared.

A case is data: the bytes of a file, the options it is read with, and what has to come out. Nothing in here knows an engine.
"""

import datetime
import decimal
import math
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple, Union

# The type words of docs/sql/types.md for the Arrow types that the engine prints. How text is laid out in memory, and in
# which unit a time is counted that has no nanoseconds, are not the file's business.
WORDS = (
    (r"Int64", "BIGINT"),
    (r"Float64", "DOUBLE"),
    (r"(Large)?Utf8(View)?", "TEXT"),
    (r"Boolean", "BOOLEAN"),
    (r"Date32", "DATE"),
    (r"Time(32|64)\(.*\)", "TIME"),
    (r"Timestamp\((s|ms|µs)\)", "TIMESTAMP"),
    (r"Timestamp\(ns\)", "TIMESTAMP(9)"),
    (r'Timestamp\((s|ms|µs), "(UTC|\+00:00)"\)', "TIMESTAMPTZ"),
    (r"Duration\(.*\)", "DURATION"),
    (r"Decimal128\((?P<a>\d+), (?P<b>\d+)\)", "DECIMAL({a},{b})"),
    (r"FixedSizeList\((?P<a>\d+) x (non-null )?Float32.*\)", "FLOAT[{a}]"),
)

Row = List[Any]
Content = Union[str, bytes, Callable[[], bytes]]


@dataclass(frozen=True)
class Table:
    """The rows that have to come out. `columns` are names and type words; a type without a word is written as Arrow's."""

    columns: Tuple[Tuple[str, str], ...]
    content: Union[Sequence[Row], Callable[[], Sequence[Row]]]

    @property
    def names(self) -> List[str]:
        return [name for name, _ in self.columns]

    @property
    def types(self) -> List[str]:
        return [word for _, word in self.columns]

    @property
    def rows(self) -> List[Row]:
        made = self.content() if callable(self.content) else self.content
        return [list(row) for row in made]


@dataclass(frozen=True)
class Refusal:
    """The error that has to come out: one of some codes, and a pattern that its report matches."""

    codes: Tuple[str, ...]
    pattern: str = ""


Expected = Union[Table, Refusal]


@dataclass(frozen=True)
class Case:
    """One file. `also` are other right answers, where the rules leave a choice that loses nothing; `forgiven` are answers
    against the rules of this house that are not held against other engines."""

    file: str
    about: str
    content: Content
    expect: Expected
    options: Dict[str, Any] = field(default_factory=dict)
    also: Tuple[Expected, ...] = ()
    forgiven: Tuple[Expected, ...] = ()
    # What has to stand in a warning of the probe.
    warning: Optional[str] = None
    # Line and raw text of each record that is left out with bad_rows="collect".
    rejects: Optional[Tuple[Tuple[int, str], ...]] = None

    @property
    def name(self) -> str:
        return self.file.replace(".", "-")

    @property
    def answers(self) -> Tuple[Expected, ...]:
        return (self.expect, *self.also)

    def bytes(self) -> bytes:
        made = self.content() if callable(self.content) else self.content
        return made.encode("utf-8") if isinstance(made, str) else made

    def write(self, folder: Path) -> Path:
        path = folder / self.file
        path.write_bytes(self.bytes())
        return path


def table(columns: Union[str, Sequence[Tuple[str, str]]], *rows: Row) -> Table:
    """A table from `name:TYPE` words, or from pairs where a name has a blank in it."""
    return Table(pairs(columns), list(rows))


def long_table(columns: str, rows: Callable[[], Sequence[Row]]) -> Table:
    """A table whose rows are made when they are asked for."""
    return Table(pairs(columns), rows)


def pairs(columns: Union[str, Sequence[Tuple[str, str]]]) -> Tuple[Tuple[str, str], ...]:
    if not isinstance(columns, str):
        return tuple(columns)
    return tuple((name, word) for name, word in (column.rsplit(":", 1) for column in columns.split()))


def refused(codes: str, pattern: str = "") -> Refusal:
    return Refusal(tuple(codes.split()), pattern)


def ragged(file: str, line: int, columns: int, fields: int) -> Refusal:
    """The error for a record of `fields` fields in a table of `columns` columns: with its line and both numbers."""
    pattern = r"{}:{}:(?=.*\b{}\b)(?=.*\b{}\b)".format(re.escape(file), line, columns, fields)
    return Refusal(("VEL-5001",), pattern)


def undecodable(file: str, line: int, byte: int) -> Refusal:
    """The error for a byte that is none of the encoding: with its line or its place in the file."""
    return Refusal(("VEL-5002",), r"{}(:{}\b|.*\bbyte {}\b)".format(re.escape(file), line, byte))


def type_word(arrow: str) -> str:
    """The word for an Arrow type as the engine prints it; the print itself where there is no word."""
    for pattern, word in WORDS:
        found = re.fullmatch(pattern, arrow)
        if found:
            return word.format(**found.groupdict())
    return arrow


# -- the one form of a value --------------------------------------------------------------------------------------------


def plain(value: Any) -> Any:
    """A value of Python as JSON, with nothing lost that a reader of the table could see."""
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return plain_float(value)
    if isinstance(value, decimal.Decimal):
        return format(value, "f")
    if isinstance(value, datetime.datetime):
        return plain_timestamp(value)
    if isinstance(value, datetime.time):
        return without_zeros(value.isoformat())
    if isinstance(value, datetime.timedelta):
        return plain_duration(value)
    if isinstance(value, datetime.date):
        return value.isoformat()
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, bytes):
        return value.hex()
    return "{}: {}".format(type(value).__name__, value)


def plain_float(value: float) -> Any:
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    return value


def plain_timestamp(value: datetime.datetime) -> str:
    if value.tzinfo is None:
        return without_zeros(value.isoformat())
    utc = value.astimezone(datetime.timezone.utc).replace(tzinfo=None)
    return without_zeros(utc.isoformat()) + "Z"


def plain_duration(value: datetime.timedelta) -> str:
    seconds = int(value.total_seconds())
    return "{}:{:02}:{:02}".format(seconds // 3600, seconds // 60 % 60, seconds % 60)


def without_zeros(text: str) -> str:
    return text.rstrip("0") if "." in text else text


def same(expected: Any, found: Any) -> bool:
    """Whether two plain values are one: 1, 1.0 and True are three."""
    if isinstance(expected, list) and isinstance(found, list):
        return len(expected) == len(found) and all(map(same, expected, found))
    if isinstance(expected, dict) and isinstance(found, dict):
        return list(expected) == list(found) and all(same(expected[key], found[key]) for key in expected)
    return type(expected) is type(found) and bool(expected == found)


def first_difference(expected: Sequence[Row], found: Sequence[Row]) -> Optional[str]:
    """Words for the first row that is not the same."""
    for number, (wanted, got) in enumerate(zip(expected, found), 1):
        if not same(wanted, got):
            return "row {}: expected {}, found {}".format(number, excerpt(wanted), excerpt(got))
    if len(expected) != len(found):
        return "expected {} rows, found {}".format(len(expected), len(found))
    return None


def excerpt(row: Any) -> str:
    text = repr(row)
    return text if len(text) <= 300 else "{}... ({} characters)".format(text[:300], len(text))

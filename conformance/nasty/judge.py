"""Whether what a reader gave is what a case asks for: word for word for Velaria, and with leniency for everybody.

The strict judge compares names, type words and rows as they are. The lenient one, for scores of engines side by side,
forgives how values are spelled, so that no engine loses a point for having another type: see `Lenient`.
"""

import datetime
import math
import re
import struct
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, List, Optional, Sequence, Union

from .model import Case, Expected, Refusal, Row, Table, excerpt, first_difference, plain


@dataclass(frozen=True)
class Found:
    """A table that a reader gave: names, type words (none where nobody asks for them), and plain rows."""

    names: Sequence[str]
    types: Optional[Sequence[str]]
    rows: Sequence[Row]


@dataclass(frozen=True)
class Refused:
    """An error that a reader gave: its code, if it has codes, and all of its text."""

    code: Optional[str]
    report: str


Answer = Union[Found, Refused]


def problem(case: Case, answer: Answer) -> Optional[str]:
    """What is wrong with an answer of Velaria, in words; None if nothing is."""
    problems = [strict_problem(expected, answer) for expected in case.answers]
    return None if None in problems else problems[0]


def strict_problem(expected: Expected, answer: Answer) -> Optional[str]:
    if isinstance(expected, Refusal):
        return refusal_problem(expected, answer)
    if isinstance(answer, Refused):
        return "expected a table, found the error: {}".format(answer.report)
    if list(answer.names) != expected.names:
        return "expected the columns {}, found {}".format(excerpt(expected.names), excerpt(list(answer.names)))
    if answer.types is not None and list(answer.types) != expected.types:
        return "expected the types {}, found {}".format(excerpt(expected.types), excerpt(list(answer.types)))
    return first_difference(expected.rows, answer.rows)


def refusal_problem(expected: Refusal, answer: Answer) -> Optional[str]:
    if isinstance(answer, Found):
        return "expected an error, found {} columns and {} rows, the first: {}".format(
            len(answer.names), len(answer.rows), excerpt(answer.rows[:1])
        )
    if answer.code not in expected.codes:
        return "expected {}, found the error: {}".format(" or ".join(expected.codes), answer.report)
    if not re.search(expected.pattern, answer.report):
        return "expected an error like /{}/, found: {}".format(expected.pattern, answer.report)
    return None


# -- the lenient judge --------------------------------------------------------------------------------------------------

RIGHT, REFUSED, UNTYPED, WRONG = "right", "refused", "untyped", "wrong"


def verdict(case: Case, answer: Answer) -> str:
    """One word for an answer of any engine.

    `right`: the table that is expected, or an error where one is. `refused`: an error where there is a table. `untyped`:
    the right table, but a value that has a type is only given as the text of the file. `wrong`: another table, or any
    table where nothing but an error is honest.
    """
    best = [lenient(expected, answer) for expected in (*case.answers, *case.forgiven)]
    return min(best, key=[RIGHT, UNTYPED, REFUSED, WRONG].index)


def lenient(expected: Expected, answer: Answer) -> str:
    if isinstance(expected, Refusal):
        return RIGHT if isinstance(answer, Refused) else WRONG
    if isinstance(answer, Refused):
        return REFUSED
    if not same_names(expected, answer.names):
        return WRONG
    wanted = expected.rows
    if len(wanted) != len(answer.rows):
        return WRONG
    in_order = lenient_rows(wanted, answer.rows)
    return in_order if in_order != WRONG else lenient_rows(in_any_order(wanted), in_any_order(answer.rows))


def in_any_order(rows: Sequence[Row]) -> List[Row]:
    """A query without ORDER BY promises no order, and some engines use that."""
    return sorted(rows, key=lambda row: [spelled(value) for value in row])


def lenient_rows(wanted: Sequence[Row], rows: Sequence[Row]) -> str:
    worst = RIGHT
    for row, found in zip(wanted, rows):
        if len(row) != len(found):
            return WRONG
        for value, got in zip(row, found):
            if close(value, got):
                continue
            if not is_text_of(value, got):
                return WRONG
            worst = UNTYPED
    return worst


def same_names(expected: Table, found: Sequence[str]) -> bool:
    """Names that are made up for columns without any may be any names."""
    if len(expected.names) != len(found):
        return False
    return all(re.fullmatch(r"c\d+", name) or name == got for name, got in zip(expected.names, found))


def close(expected: Any, found: Any) -> bool:
    """Whether two values are one in spite of their types: 1 is 1.0 and "1", a date its ISO text and its midnight."""
    if isinstance(expected, list) and isinstance(found, list):
        return len(expected) == len(found) and all(map(close, expected, found))
    if expected is None or found is None or isinstance(expected, dict) or isinstance(found, dict):
        return bool(expected == found)
    left, right = spelled(expected), spelled(found)
    if left == right:
        return True
    # A text that must stay one is not forgiven to have become a number.
    if isinstance(expected, str) and not is_decimal(expected, found):
        return timeless(left) == timeless(right) and isinstance(found, str)
    return number_of(left) is not None and number_of(left) == number_of(right)


def is_decimal(expected: Any, found: Any) -> bool:
    """Wide integers stand as texts in the plain form; a float is not one of them."""
    return bool(re.fullmatch(r"-?[1-9]\d{15,}", expected)) and not isinstance(found, float)


def spelled(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and math.isfinite(value) and value == int(value):
        return str(int(value))
    return str(value)


def timeless(text: str) -> str:
    """A date and its midnight are one; so are an instant's offsets, its UTC without saying so, and a blank instead of T."""
    text = re.sub(r"^(\d{4}-\d\d-\d\d) ", r"\1T", text)
    if re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]+[+-]\d\d:\d\d", text):
        text = plain(datetime.datetime.fromisoformat(text))
    text = re.sub(r"^(\d{4}-\d\d-\d\dT[\d:.]+)Z$", r"\1", text)
    return re.sub(r"^(\d{4}-\d\d-\d\d)T00:00:00$", r"\1", text)


def number_of(text: str) -> Optional[Decimal]:
    try:
        number = Decimal(text)
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def is_text_of(expected: Any, found: Any) -> bool:
    """Whether `found` is the text that means `expected`: `1.234,50` for 1234.5. Nothing is lost, but nothing is gained."""
    if not isinstance(found, str) or MOMENT.match(found):
        return False
    is_typed = isinstance(expected, (int, float, list)) and not isinstance(expected, bool)
    if not is_typed and not (isinstance(expected, str) and MOMENT.match(expected)):
        return False
    if isinstance(expected, list):
        return [narrow(item) for item in expected] == [narrow(float(word)) for word in NUMBER.findall(found)]
    return digits_of(expected) == digits_of(found)


def narrow(number: float) -> float:
    """The number that 32 bits keep of one."""
    return float(struct.unpack("<f", struct.pack("<f", number))[0])


NUMBER = re.compile(r"[-+]?\d+\.?\d*(?:[eE][-+]?\d+)?")

# What the plain form of a date, a time or both begins with.
MOMENT = re.compile(r"\d{4}-\d\d-\d\d|\d\d:\d\d:\d\d")


def digits_of(value: Any) -> List[str]:
    """The digits of a value, which is all that a text and what it means have in common for certain."""
    return sorted(re.sub(r"\D", "", spelled(value)).replace("0", ""))

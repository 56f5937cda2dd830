"""Do two answers agree, and if not: is the difference a documented one?

Nothing here knows how a query was made. Rows are bags unless the query fixes their order; numbers are equal by value
whatever their type, doubles within a billionth; -0.0 is 0.0. A rule explains one disagreement with one oracle. Its
reason and its place in the documentation stand in `differences.toml`, the narrow test that it applies stands here.
"""

import math
import re
import sqlite3
from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple

from oracle import Answer, Row

TOLERANCE = 1e-9
DIFFERENCES = Path(__file__).with_name("differences.toml")


@dataclass(frozen=True)
class Asked:
    """A query as the rules see it."""

    sql: str
    ordered: bool
    answers: Dict[str, Answer]

    @property
    def velaria(self) -> Answer:
        return self.answers["velaria"]

    def agrees(self, one: str, two: str) -> bool:
        """Whether two engines answered, and alike."""
        if one not in self.answers or two not in self.answers:
            return False
        return answers_agree(self.answers[one], self.answers[two], self.ordered)


@dataclass
class Verdict:
    """What came out of one query: nothing unexplained, the rules that explained, and who had an opinion."""

    unexplained: List[str] = field(default_factory=list)
    rules: List[str] = field(default_factory=list)
    judged_by: List[str] = field(default_factory=list)

    @property
    def kind(self) -> str:
        if self.unexplained:
            return "unexplained"
        if self.rules:
            return "documented"
        return "agreed" if self.judged_by else "unjudged"


def judge(asked: Asked) -> Verdict:
    """Compares Velaria's answer with that of every oracle that has one."""
    verdict = Verdict()
    if "VEL-9" in asked.velaria.error:
        verdict.unexplained.append("internal error")
    for name, answer in asked.answers.items():
        if name == "velaria" or (answer.rows is None and answer.reason == "refused"):
            continue
        verdict.judged_by.append(name)
        if answers_agree(asked.velaria, answer, asked.ordered):
            continue
        rule = next((rule for rule, applies in RULES.items() if applies(asked, name)), None)
        if rule is None:
            verdict.unexplained.append(name)
        else:
            verdict.rules.append(rule)
    return verdict


# -- equality -----------------------------------------------------------------------------------------------------------


def answers_agree(one: Answer, two: Answer, ordered: bool) -> bool:
    """Same rows, or errors for the same reason."""
    if one.rows is None or two.rows is None:
        return one.rows is None and two.rows is None and one.reason == two.reason != "refused"
    return rows_agree(one.rows, two.rows, ordered)


def rows_agree(one: Sequence[Row], two: Sequence[Row], ordered: bool) -> bool:
    if len(one) != len(two):
        return False
    left, right = [canonical(row) for row in one], [canonical(row) for row in two]
    if not ordered:
        if Counter(map(repr, left)) == Counter(map(repr, right)):
            return True
        left, right = sorted(left, key=sort_key), sorted(right, key=sort_key)
    return all(row_agrees(a, b) for a, b in zip(left, right))


def canonical(row: Row) -> Row:
    return tuple(cell(value) for value in row)


def cell(value: Any) -> Any:
    """One Python value for all spellings of one SQL value."""
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else value.normalize()
    if isinstance(value, float):
        if math.isfinite(value) and value == int(value):
            return int(value)
        return value
    if hasattr(value, "isoformat"):
        return value.isoformat()
    return value


def sort_key(row: Row) -> Tuple[Any, ...]:
    return tuple(cell_key(value) for value in row)


def cell_key(value: Any) -> Tuple[int, Any]:
    if value is None:
        return (0, 0)
    if isinstance(value, (int, float, Decimal)):
        # Rounded, so that doubles that agree within the tolerance also sort alike.
        return (2, 0) if isinstance(value, float) and math.isnan(value) else (1, float("{:.8e}".format(float(value))))
    return (3, str(value))


def row_agrees(one: Row, two: Row) -> bool:
    return len(one) == len(two) and all(value_agrees(a, b) for a, b in zip(one, two))


def value_agrees(one: Any, two: Any) -> bool:
    numbers = (int, float, Decimal)
    if not isinstance(one, numbers) or not isinstance(two, numbers):
        return type(one) is type(two) and bool(one == two)
    if isinstance(one, int) and isinstance(two, int):
        return one == two
    a, b = float(one), float(two)
    if math.isnan(a) or math.isnan(b):
        return math.isnan(a) and math.isnan(b)
    return math.isclose(a, b, rel_tol=TOLERANCE, abs_tol=TOLERANCE)


# -- documented differences ---------------------------------------------------------------------------------------------

Rule = Callable[[Asked, str], bool]


def overflow_becomes_real(asked: Asked, oracle: str) -> bool:
    """SQLite goes on with doubles where 64 bits end; Velaria fails, and DuckDB at least leaves 64 bits."""
    if oracle != "sqlite" or not failed_for(asked, "overflow"):
        return False
    return not_contradicted(asked) or sum_is_wider(asked, "duckdb")


def sum_is_wider(asked: Asked, oracle: str) -> bool:
    """DuckDB's SUM has 128 bits; Velaria's fails beyond 64."""
    answer = asked.answers[oracle]
    if oracle != "duckdb" or not failed_for(asked, "overflow") or answer.rows is None:
        return False
    return any(isinstance(value, int) and abs(value) >= 2**63 - 1 for row in answer.rows for value in row)


def set_operations_left_to_right(asked: Asked, oracle: str) -> bool:
    """In SQLite all set operations bind alike; elsewhere INTERSECT binds tighter."""
    mixed = re.search(r"\b(UNION( ALL)?|EXCEPT)\b.*\bINTERSECT\b", asked.sql, re.S)
    return oracle == "sqlite" and bool(mixed) and not_contradicted(asked)


def cast_cuts(asked: Asked, oracle: str) -> bool:
    """A double that becomes an integer is cut, in DuckDB it is rounded."""
    return oracle == "duckdb" and " AS INT)" in asked.sql and asked.agrees("velaria", "sqlite")


def division_by_zero(asked: Asked, oracle: str) -> bool:
    """SQLite divides integers by zero to NULL."""
    return oracle == "sqlite" and failed_for(asked, "division") and not_contradicted(asked)


def failed_for(asked: Asked, reason: str) -> bool:
    return asked.velaria.rows is None and asked.velaria.reason == reason


def not_contradicted(asked: Asked) -> bool:
    """DuckDB agrees with Velaria, or was not asked."""
    return "duckdb" not in asked.answers or asked.agrees("velaria", "duckdb")


def nulls_first(asked: Asked, oracle: str) -> bool:
    """SQLite's ORDER BY without NULLS puts NULL first; everything but the order is the same."""
    one, two = asked.velaria.rows, asked.answers[oracle].rows
    if oracle != "sqlite" or not asked.ordered or one is None or two is None or " NULLS " in asked.sql:
        return False
    return any(value in (None, "NULL") for row in two for value in row) and rows_agree(one, two, False)


def update_sees_itself(asked: Asked, oracle: str) -> bool:
    """A subquery of SQLite's UPDATE sees the rows that the statement has changed already."""
    updated = re.match(r"UPDATE (\w+) SET", asked.sql)
    if oracle != "sqlite" or updated is None or " FROM {} AS ".format(updated.group(1)) not in asked.sql:
        return False
    return asked.agrees("velaria", "duckdb")


def sqlite_right_joins(asked: Asked, oracle: str) -> bool:
    """SQLite has RIGHT and FULL JOIN since 3.39, and some answers over several joins are wrong in its first versions."""
    several = len(re.findall(r"\bJOIN\b", asked.sql)) > 1 and re.search(r"\b(RIGHT|FULL) JOIN\b", asked.sql)
    return (
        oracle == "sqlite"
        and bool(several)
        and sqlite3.sqlite_version_info < (3, 46)
        and asked.agrees("velaria", "duckdb")
    )


RULES: Dict[str, Rule] = {
    "nulls-first": nulls_first,
    "overflow-becomes-real": overflow_becomes_real,
    "sum-is-wider": sum_is_wider,
    "set-operations-left-to-right": set_operations_left_to_right,
    "cast-cuts": cast_cuts,
    "division-by-zero": division_by_zero,
    "sqlite-right-joins": sqlite_right_joins,
    "update-sees-itself": update_sees_itself,
}


def documented() -> List[Dict[str, str]]:
    """The rules with their reasons, from the data file."""
    try:
        import tomllib as toml
    except ImportError:
        import tomli as toml  # type: ignore[no-redef]
    content: Dict[str, List[Dict[str, str]]] = toml.loads(DIFFERENCES.read_text(encoding="utf-8"))
    return content["rule"]


def first_line(answer: Optional[Answer]) -> str:
    return "" if answer is None else answer.error.split("\n", 1)[0]

"""Checks that need no other engine: a condition and its parts.

A condition is true, false or unknown for every row. So the rows where it holds, where its negation holds and where it is
NULL are together all rows, and what is counted by WHERE is what is counted by CASE. Each check is one query over
everything and queries over the parts, with a rule that puts the parts together.
"""

from dataclasses import dataclass
from typing import Callable, Dict, List, Sequence

from compare import rows_agree, cell_key, canonical
from generator import Generator
from oracle import Answer, Row
from tree import Listing, Node

Rows = List[Row]


@dataclass
class Check:
    """`combine(parts)` has to be the rows of `whole`. The trees are {source}, {items} and {condition} of one query."""

    kind: str
    items: Node
    source: Node
    condition: Node

    def whole(self) -> str:
        return FORMS[self.kind].whole(self)

    def parts(self) -> List[str]:
        return FORMS[self.kind].parts(self)

    def holds(self, whole: Answer, parts: Sequence[Answer]) -> bool:
        assert whole.rows is not None
        return rows_agree(whole.rows, FORMS[self.kind].combine([list(part.rows or []) for part in parts]), False)


@dataclass(frozen=True)
class Form:
    whole: Callable[[Check], str]
    parts: Callable[[Check], List[str]]
    combine: Callable[[List[Rows]], Rows]


def three_ways(check: Check, select: str) -> List[str]:
    condition = check.condition.sql("velaria")
    ways = ["{}", "NOT ({})", "({}) IS NULL"]
    return ["{} WHERE {}".format(select, way.format(condition)) for way in ways]


def select(check: Check, items: str) -> str:
    return "SELECT {} FROM {}".format(items, check.source.sql("velaria"))


def together(parts: List[Rows]) -> Rows:
    return [row for part in parts for row in part]


def distinct(parts: List[Rows]) -> Rows:
    found: Dict[str, Row] = {}
    for row in together(parts):
        found.setdefault(repr(canonical(row)), row)
    return list(found.values())


def added(parts: List[Rows]) -> Rows:
    """Sums of each column; NULL where every part has NULL."""
    columns = zip(*[part[0] for part in parts])
    return [
        tuple(
            sum(values) if values else None for values in ([v for v in column if v is not None] for column in columns)
        )
    ]


def extremes(parts: List[Rows]) -> Rows:
    """The least of the first column and the greatest of the second."""
    lows, highs = ([part[0][at] for part in parts if part[0][at] is not None] for at in (0, 1))
    return [(min(lows, key=cell_key, default=None), max(highs, key=cell_key, default=None))]


def ones(check: Check) -> str:
    return select(check, "SUM(CASE WHEN {} THEN 1 ELSE 0 END)".format(check.condition.sql("velaria")))


def counted(parts: List[Rows]) -> Rows:
    """A sum over no rows is NULL, a count over none is 0."""
    return [(parts[0][0][0] or 0,)]


def listed(check: Check) -> str:
    return check.items.sql("velaria")


def having(check: Check) -> List[str]:
    """The condition is over the keys alone, so it can stand in HAVING."""
    base = select(check, "k, COUNT(*)") + " GROUP BY k HAVING "
    condition = check.condition.sql("velaria")
    return [base + condition, base + "NOT ({})".format(condition), base + "({}) IS NULL".format(condition)]


FORMS: Dict[str, Form] = {
    "rows": Form(lambda c: select(c, listed(c)), lambda c: three_ways(c, select(c, listed(c))), together),
    "distinct": Form(
        lambda c: select(c, "DISTINCT " + listed(c)),
        lambda c: three_ways(c, select(c, "DISTINCT " + listed(c))),
        distinct,
    ),
    "count": Form(
        lambda c: select(c, "COUNT(*), COUNT({0}), SUM({0})".format(listed(c))),
        lambda c: three_ways(c, select(c, "COUNT(*), COUNT({0}), SUM({0})".format(listed(c)))),
        added,
    ),
    "extremes": Form(
        lambda c: select(c, "MIN({0}), MAX({0})".format(listed(c))),
        lambda c: three_ways(c, select(c, "MIN({0}), MAX({0})".format(listed(c)))),
        extremes,
    ),
    "having": Form(lambda c: select(c, "k, COUNT(*)") + " GROUP BY k", having, together),
    "norec": Form(
        lambda c: select(c, "COUNT(*)") + " WHERE " + c.condition.sql("velaria"), lambda c: [ones(c)], counted
    ),
}


def check(generator: Generator) -> Check:
    """A random check over the tables of the generator."""
    kind = generator.pick(*FORMS, "norec", "rows")
    source, scope = generator.source(2)
    if kind == "having":
        table, scope = generator.fresh_table()
        source, scope = Node("source", table), [column for column in scope if column.sql.endswith(".k")]
    if kind in ("count", "extremes"):
        items = generator.value("int", scope, 1, huge=kind == "extremes")
    else:
        kinds = generator.kinds()
        items = Listing(
            ", ", [generator.item(at, generator.value(k, scope, 1, k != "int")) for at, k in enumerate(kinds)]
        )
    return Check(kind, items, source, generator.condition(scope, 3))

"""Random tables and queries that every engine should answer alike.

All queries are typed: text never meets a number. Divisors are `NULLIF(x, 0)` and doubles are multiples of a quarter, so
that sums are exact in any order. A database is `portable` (SQLite can answer too) or `wide`: with decimals, dates, NaN,
infinities, signed zeros and what only DuckDB knows.
"""

from dataclasses import dataclass
from random import Random
from typing import List, Optional, Sequence, Tuple

from tree import Listing, Node, Optional_

PORTABLE_TYPES = ("int", "double", "text", "bool")
WIDE_TYPES = PORTABLE_TYPES + ("date", "decimal")
TYPE_WORDS = {
    "int": "@int@",
    "double": "@double@",
    "text": "@text@",
    "bool": "@bool@",
    "date": "DATE",
    "decimal": "DECIMAL(12, 3)",
}

COLUMN_NAMES = {"int": "i", "double": "d", "text": "s", "bool": "b", "date": "day", "decimal": "price"}

TEXTS = ("", "a", "A", "ab", "aB", "b", "abc", " a", "a ", "%", "_a", "it''s", "0", "10", "zz")
DOUBLES = ("0.0e0", "-0.0e0", "1.0e0", "-1.0e0", "0.25e0", "-2.5e0", "3.75e0", "100.5e0")
SPECIAL_DOUBLES = (
    "CAST('NaN' AS DOUBLE)",
    "CAST('Infinity' AS DOUBLE)",
    "CAST('-Infinity' AS DOUBLE)",
    "1e300",
    "-1e300",
    "5e-324",
)
DATES = ("2000-02-29", "1999-12-31", "2026-01-01", "1970-01-01", "1900-03-01")
DECIMALS = ("0", "0.001", "-0.001", "1.500", "-7.250", "999999999.999")
BIGGEST, SMALLEST = "9223372036854775807", "(-9223372036854775807 - 1)"


@dataclass(frozen=True)
class Column:
    """A column in reach: how it is written and what it holds. `huge` ones are left out of arithmetic."""

    sql: str
    type: str
    huge: bool = False


@dataclass(frozen=True)
class Table:
    name: str
    columns: Tuple[Column, ...]


@dataclass
class Database:
    """Tables, the statements that make them, and whether SQLite can hold them."""

    tables: List[Table]
    setup: List[Node]
    portable: bool


@dataclass
class Query:
    """A query; `ordered` when the order of its rows is fixed."""

    tree: Node
    ordered: bool = False


class Generator:
    """Draws databases and queries from one random source."""

    def __init__(self, rng: Random, portable: bool):
        self.rng = rng
        self.portable = portable
        self.types: Sequence[str] = PORTABLE_TYPES if portable else WIDE_TYPES
        self.tables: List[Table] = []
        self.aliases = 0
        self.huge = False

    # -- tables ---------------------------------------------------------------------------------------------------------

    def database(self) -> Database:
        setup: List[Node] = []
        self.huge = self.chance(0.3)
        self.tables = []
        for n in range(3):
            columns = [Column("id", "int"), Column("k", "int")]
            columns += [Column(COLUMN_NAMES[kind], kind) for kind in self.types]
            columns += [Column("h", "int", huge=True)]
            table = Table("t{}".format(n), tuple(columns))
            self.tables.append(table)
            words = ["@bigint@" if column.huge else TYPE_WORDS[column.type] for column in columns]
            words[0] += self.pick("", " NOT NULL", " PRIMARY KEY")
            listed = ", ".join("{} {}".format(column.sql, word) for column, word in zip(columns, words))
            setup.append(Node("", "CREATE TABLE {} ({})".format(table.name, listed)))
            for row in range(self.rng.choice((0, 1, 3, 6, 6, 9, 12))):
                values = [str(row)] + [self.stored(column) for column in columns[1:]]
                setup.append(Node("", "INSERT INTO {} VALUES ({})".format(table.name, ", ".join(values))))
        return Database(self.tables, setup, self.portable)

    def stored(self, column: Column) -> str:
        if self.chance(0.3):
            return "NULL"
        if column.huge and self.huge and self.chance(0.4):
            return self.pick(BIGGEST, SMALLEST, "9007199254740993", "-9007199254740993", "4294967296")
        if column.type == "double" and not self.portable and self.chance(0.25):
            return self.pick(*SPECIAL_DOUBLES)
        if column.sql == "k":
            return str(self.rng.randint(0, 4))
        return self.literal(column.type).text().replace("@wide@", "")

    # -- small helpers --------------------------------------------------------------------------------------------------

    def chance(self, share: float) -> bool:
        return self.rng.random() < share

    def pick(self, *choices: str) -> str:
        return self.rng.choice(choices)

    def alias(self) -> str:
        self.aliases += 1
        return "r{}".format(self.aliases)

    def literal(self, kind: str) -> Node:
        if kind == "int":
            return Node("int", str(self.rng.choice((0, 1, 2, 3, 5, 9, 42, 100, 255))), "@wide@")
        if kind == "double":
            return Node("double", self.pick(*DOUBLES))
        if kind == "text":
            return Node("text", "'{}'".format(self.pick(*TEXTS)))
        if kind == "bool":
            return Node("bool", self.pick("TRUE", "FALSE"))
        if kind == "date":
            return Node("date", "DATE '{}'".format(self.pick(*DATES)))
        return Node("decimal", "CAST('{}' AS DECIMAL(12, 3))".format(self.pick(*DECIMALS)))

    # -- values ---------------------------------------------------------------------------------------------------------

    def leaf(self, kind: str, scope: Sequence[Column], huge: bool) -> Node:
        fitting = [column for column in scope if column.type == kind and (huge or not column.huge)]
        if fitting and self.chance(0.8):
            return Node(kind, self.rng.choice(fitting).sql)
        return Node(kind, "CAST(NULL AS {})".format(TYPE_WORDS[kind])) if self.chance(0.1) else self.literal(kind)

    def value(self, kind: str, scope: Sequence[Column], depth: int, huge: bool = False) -> Node:
        """A value of a type. `huge` allows columns near the end of 64 bits, which must not meet arithmetic."""
        if kind == "bool":
            return self.condition(scope, depth)
        if depth <= 0 or self.chance(0.3):
            return self.leaf(kind, scope, huge)
        if self.chance(0.4):
            return self.choice_of(kind, scope, depth, huge)
        forms = {
            "int": self.value_int,
            "double": self.value_double,
            "text": self.value_text,
            "date": self.value_date,
            "decimal": self.value_decimal,
        }
        return forms[kind](scope, depth)

    def choice_of(self, kind: str, scope: Sequence[Column], depth: int, huge: bool) -> Node:
        """CASE, COALESCE, NULLIF and scalar subqueries: forms of every type."""
        one, two = self.value(kind, scope, depth - 1, huge), self.value(kind, scope, depth - 1, huge)
        form = self.rng.randrange(6)
        if form == 0:
            return Node(kind, "CASE WHEN ", self.condition(scope, depth - 1), " THEN ", one, " ELSE ", two, " END")
        if form == 1:
            other = self.rng.choice(PORTABLE_TYPES[:3])
            switch = self.value(other, scope, depth - 1)
            return Node(
                kind,
                "CASE ",
                switch,
                " WHEN ",
                self.value(other, scope, depth - 1),
                " THEN ",
                one,
                " ELSE ",
                two,
                " END",
            )
        if form == 2:
            return Node(kind, "COALESCE(", one, ", ", two, ")")
        if form == 3:
            return Node(kind, "NULLIF(", one, ", ", two, ")")
        if form == 4:
            return Node(kind, "CASE WHEN ", self.condition(scope, depth - 1), " THEN ", one, " END")
        return self.scalar_subquery(kind, scope, depth)

    def value_int(self, scope: Sequence[Column], depth: int) -> Node:
        one, two = self.value("int", scope, depth - 1), self.value("int", scope, depth - 1)
        form = self.rng.randrange(9)
        if form <= 1:
            return Node("int", "(", one, self.pick(" + ", " - "), two, ")")
        if form == 2:
            return Node("int", "(", self.leaf("int", scope, False), " * ", self.leaf("int", scope, False), ")")
        if form == 3:
            return Node("int", "(", one, self.pick(" / ", " % "), "NULLIF(", two, ", 0))")
        if form == 4:
            return Node("int", "(- ", one, ")")
        if form == 5:
            return Node("int", "ABS(", one, ")")
        if form == 6:
            return Node("int", "LENGTH(", self.value("text", scope, depth - 1), ")")
        if form == 7:
            return Node("int", "CAST(", self.condition(scope, depth - 1), " AS @int@)")
        if self.portable:
            return Node("int", "CAST(", self.leaf("double", scope, False), " AS @int@)")
        return Node(
            "int",
            "CAST(EXTRACT(",
            self.pick("YEAR", "MONTH", "DAY"),
            " FROM ",
            self.value("date", scope, depth - 1),
            ") AS @int@)",
        )

    def value_double(self, scope: Sequence[Column], depth: int) -> Node:
        one, two = self.value("double", scope, depth - 1), self.value("double", scope, depth - 1)
        form = self.rng.randrange(6)
        if form <= 1:
            return Node("double", "(", one, self.pick(" + ", " - ", " * "), two, ")")
        if form == 2:
            return Node("double", "(", one, " / NULLIF(", two, ", 0.0e0))")
        if form == 3:
            return Node("double", "(- ", one, ")")
        if form == 4:
            return Node("double", "ABS(", one, ")")
        return Node("double", "CAST(", self.value("int", scope, depth - 1), " AS @double@)")

    def value_text(self, scope: Sequence[Column], depth: int) -> Node:
        one = self.value("text", scope, depth - 1)
        form = self.rng.randrange(6)
        if form == 0:
            return Node("text", "(", one, " || ", self.value("text", scope, depth - 1), ")")
        if form == 1:
            return Node("text", "SUBSTR(", one, ", {}, {})".format(self.rng.randint(1, 3), self.rng.randint(0, 3)))
        if form == 2:
            return Node("text", self.pick("UPPER(", "LOWER(", "TRIM(", "LTRIM("), one, ")")
        if form == 3:
            return Node("text", "REPLACE(", one, ", 'a', '{}')".format(self.pick("", "b", "aa")))
        if form == 4:
            return Node("text", "CAST(", self.value("int", scope, depth - 1), " AS @text@)")
        return Node("text", "COALESCE(", one, ", ", self.literal("text"), ")")

    def value_date(self, scope: Sequence[Column], depth: int) -> Node:
        return self.choice_of("date", scope, depth, False)

    def value_decimal(self, scope: Sequence[Column], depth: int) -> Node:
        one, two = self.value("decimal", scope, depth - 1), self.leaf("decimal", scope, False)
        form = self.rng.randrange(3)
        if form == 0:
            return Node("decimal", "(", one, self.pick(" + ", " - "), two, ")")
        return Node("decimal", "(- ", one, ")") if form == 1 else Node("decimal", "ABS(", one, ")")

    # -- conditions -----------------------------------------------------------------------------------------------------

    def condition(self, scope: Sequence[Column], depth: int) -> Node:
        if depth <= 0:
            return self.comparison(scope, 0)
        form = self.rng.randrange(20)
        if form <= 3:
            one, two = self.condition(scope, depth - 1), self.condition(scope, depth - 1)
            return Node("bool", "(", one, self.pick(" AND ", " OR "), two, ")")
        if form <= 5:
            return Node("bool", "NOT (", self.condition(scope, depth - 1), ")")
        if form == 6:
            return self.leaf("bool", scope, False)
        if form == 7:
            return Node(
                "bool",
                "(",
                self.condition(scope, depth - 1),
                self.pick(" IS NULL)", " IS NOT NULL)", " IS TRUE)", " IS NOT FALSE)"),
            )
        if form == 8:
            return Node("bool", "EXISTS (", self.inner_query(scope, depth, []), ")")
        if form <= 10:
            return self.in_subquery(scope, depth)
        if form == 11:
            return self.choice_of("bool", scope, depth, False)
        if form == 12:
            return self.about_one_column(scope)
        if form == 13:
            kind = self.rng.choice(("int", "text", "double"))
            same = self.pick(" = ", " = ", " <> ", " IS NOT DISTINCT FROM ")
            return Node("bool", "(", self.scalar_subquery(kind, scope, depth), same, self.leaf(kind, scope, True), ")")
        if form == 14:
            kind = self.rng.choice(("int", "text"))
            return Node("bool", "(", self.leaf(kind, scope, True), " = ", self.leaf(kind, scope, True), ")")
        return self.comparison(scope, depth)

    def about_one_column(self, scope: Sequence[Column]) -> Node:
        """Conditions on one column, each literal on either side: food for rules that merge and contradict."""
        fitting = [column for column in scope if column.type in ("int", "text", "double")]
        if not fitting:
            return self.comparison(scope, 1)
        column = self.rng.choice(fitting)
        parts = [self.against_literal(column) for _ in range(self.rng.randint(1, 3))]
        return Node("bool", "(", Listing(self.pick(" AND ", " AND ", " OR "), parts), ")")

    def against_literal(self, column: Column) -> Node:
        one, literal = Node(column.type, column.sql), self.literal(column.type)
        form = self.rng.randrange(6)
        if form == 0:
            return Node("bool", literal, " IN (", one, ")")
        if form == 1:
            return Node("bool", one, " IN (", Listing(", ", [literal, self.literal(column.type)]), ")")
        if form == 2:
            return Node("bool", literal, " BETWEEN ", one, " AND ", one)
        sides = [one, literal]
        self.rng.shuffle(sides)
        return Node("bool", sides[0], self.pick(" = ", " = ", " <> ", " < ", " <= ", " > ", " >= "), sides[1])

    def comparison(self, scope: Sequence[Column], depth: int) -> Node:
        kind = self.rng.choice([kind for kind in self.types if kind != "bool"])
        values = [self.value(kind, scope, depth - 1, huge=True) for _ in range(3)]
        one, two, three = values
        form = self.rng.randrange(10)
        if form <= 4:
            return Node("bool", "(", one, self.pick(" = ", " <> ", " < ", " <= ", " > ", " >= "), two, ")")
        if form == 5:
            return Node("bool", "(", one, self.pick(" BETWEEN ", " NOT BETWEEN "), two, " AND ", three, ")")
        if form == 6:
            items = [self.choice_of(kind, scope, 1, True)] if self.chance(0.3) else []
            items += values[1:] + ([Node(kind, "NULL")] if self.chance(0.3) else [])
            self.rng.shuffle(items)
            listed = Listing(", ", items)
            return Node("bool", "(", one, self.pick(" IN (", " NOT IN ("), listed, "))")
        if form == 7:
            return Node("bool", "(", one, self.pick(" IS NULL)", " IS NOT NULL)"))
        if form == 8:
            return Node("bool", "(", one, self.pick(" IS DISTINCT FROM ", " IS NOT DISTINCT FROM "), two, ")")
        pattern = self.pick("'a%'", "'%b'", "'_a'", "'%'", "''", "'a_c'", "'A%'")
        return Node("bool", "(", self.value("text", scope, depth - 1), self.pick(" LIKE ", " NOT LIKE "), pattern, ")")

    # -- subqueries -----------------------------------------------------------------------------------------------------

    def fresh_table(self) -> Tuple[str, List[Column]]:
        table, alias = self.rng.choice(self.tables), self.alias()
        return "{} AS {}".format(table.name, alias), [
            Column(alias + "." + c.sql, c.type, c.huge) for c in table.columns
        ]

    def inner_query(self, outer: Sequence[Column], depth: int, items: List[str], plain: bool = False) -> Node:
        """SELECT over one table; its condition may look at the outer columns. `items` are types, `1` for none."""
        source, own = self.fresh_table()
        listed = (
            Listing(", ", [self.value(kind, own, min(depth - 1, 1), True) for kind in items])
            if items
            else Node("", "1")
        )
        parts: List[object] = ["SELECT ", listed, " FROM " + source]
        if not plain or self.chance(0.5):
            both = list(own) + (list(outer) if self.chance(0.6) else [])
            parts.append(Optional_("", " WHERE ", self.inner_condition(own, outer, both, depth)))
        return Node("query", *parts)  # type: ignore[arg-type]

    def inner_condition(
        self, own: Sequence[Column], outer: Sequence[Column], both: Sequence[Column], depth: int
    ) -> Node:
        if outer and self.chance(0.5):
            kind = self.rng.choice(("int", "int", "text"))
            mine = self.leaf(kind, own, True)
            link = Node(
                "bool", "(", mine, self.pick(" = ", " = ", " < ", " <> ", " >= "), self.leaf(kind, outer, True), ")"
            )
            return (
                Node("bool", "(", link, " AND ", self.condition(own, min(depth - 1, 1)), ")")
                if self.chance(0.3)
                else link
            )
        return self.condition(both, min(depth - 1, 1))

    def scalar_subquery(self, kind: str, scope: Sequence[Column], depth: int) -> Node:
        source, own = self.fresh_table()
        if self.chance(0.3):
            # id is unique, so there is at most one row without any aggregate.
            # The bare k of a USING join would be taken for the k of the inner table, and match several rows.
            outer = [column for column in scope if "." in column.sql]
            link = Node("bool", own[0].sql, " = ", self.leaf("int", outer, True))
            return Node(kind, "(SELECT ", self.leaf(kind, own, True), " FROM " + source, " WHERE ", link, ")")
        inner = self.value(kind, own, min(depth - 1, 1), kind != "int")
        if kind == "bool":
            item: List[object] = ["COUNT(*) > {}".format(self.rng.randint(0, 3))]
        elif kind == "int" and self.chance(0.5):
            item = [self.pick("COUNT(*)", "COUNT(*) + 1")] if self.chance(0.6) else ["COUNT(DISTINCT ", inner, ")"]
        else:
            item = [self.pick("MIN(", "MAX("), inner, ")"]
        where = Optional_("", " WHERE ", self.inner_condition(own, scope, own, depth))
        return Node(kind, "(SELECT ", *item, " FROM " + source, where, ")")  # type: ignore[arg-type]

    def in_subquery(self, scope: Sequence[Column], depth: int) -> Node:
        kind = self.rng.choice(("int", "int", "text", "double"))
        left = self.value(kind, scope, depth - 1, True)
        outer = scope if self.chance(0.3) else []
        return Node(
            "bool", "(", left, self.pick(" IN (", " NOT IN ("), self.inner_query(outer, depth, [kind], plain=True), "))"
        )

    # -- FROM -----------------------------------------------------------------------------------------------------------

    def source(self, depth: int) -> Tuple[Node, List[Column]]:
        text, scope = self.relation(depth)
        tree = Node("source", text)
        for _ in range(self.rng.choice((0, 0, 1, 1, 2))):
            tree, scope = self.joined(tree, scope, depth)
        return tree, scope

    def relation(self, depth: int) -> Tuple[Node, List[Column]]:
        if depth > 1 and self.chance(0.15):
            alias, kinds = self.alias(), [self.rng.choice(self.types) for _ in range(2)]
            inner = self.plain_select(kinds, depth - 1)
            columns = [Column("{}.c{}".format(alias, at), kind, kind == "int") for at, kind in enumerate(kinds)]
            return Node("", "(", inner, ") AS " + alias), columns
        source, scope = self.fresh_table()
        return Node("", source), scope

    def joined(self, left: Node, scope: List[Column], depth: int) -> Tuple[Node, List[Column]]:
        right, own = self.relation(depth)
        both = scope + own
        kind = self.pick("INNER JOIN", "LEFT JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN", "CROSS JOIN")
        if kind == "CROSS JOIN":
            return Node("source", left, " CROSS JOIN ", right), both
        if self.chance(0.6):
            pair = self.rng.choice(("int", "int", "text"))
            one, two = self.leaf(pair, [c for c in scope if c.type == pair], True), self.leaf(pair, own, True)
            on = Node("bool", "(", one, self.pick(" = ", " = ", " = ", " IS NOT DISTINCT FROM "), two, ")")
            if self.chance(0.4):
                more = self.about_one_column(both) if self.chance(0.5) else self.condition(both, 1)
                on = Node("bool", "(", on, " AND ", more, ")")
        else:
            on = self.condition(both, 1)
        return Node("source", left, " {} ".format(kind), right, " ON ", on), both

    def using_join(self) -> Tuple[Node, List[Column]]:
        """Two tables over the shared column k, which is then written without a table."""
        kind = self.pick("INNER", "LEFT", "RIGHT", "FULL")
        one, first = self.fresh_table()
        two, second = self.fresh_table()
        rest = [column for column in first + second if not column.sql.endswith(".k")]
        return Node("source", "{} {} JOIN {} USING (k)".format(one, kind, two)), [Column("k", "int")] * 3 + rest

    # -- whole queries --------------------------------------------------------------------------------------------------

    def item(self, at: int, value: Node) -> Node:
        return Node("", value, " AS c{}".format(at))

    def plain_select(self, kinds: Sequence[str], depth: int, distinct: bool = False) -> Node:
        source, scope = self.using_join() if self.chance(0.12) else self.source(depth)
        items = [self.item(at, self.value(kind, scope, depth, kind != "int")) for at, kind in enumerate(kinds)]
        where = Optional_("", " WHERE ", self.condition(scope, depth)) if self.chance(0.7) else Node("", "")
        return Node("query", "SELECT ", "DISTINCT " if distinct else "", Listing(", ", items), " FROM ", source, where)

    def kinds(self) -> List[str]:
        return [self.rng.choice(self.types) for _ in range(self.rng.randint(1, 4))]

    def query(self) -> Query:
        form = self.rng.randrange(12)
        if form <= 4:
            return self.limited(self.plain_select(self.kinds(), 2, distinct=self.chance(0.2)))
        if form <= 7:
            return self.limited(self.grouped(2))
        if form == 8:
            return self.set_operation()
        if form == 9:
            return self.windowed()
        if form == 10:
            return self.with_query()
        return self.overflow() if self.huge and self.chance(0.3) else Query(self.aggregated(2))

    def limited(self, tree: Node) -> Query:
        """With ORDER BY over all columns, so that LIMIT is fixed whatever the ties."""
        if not self.chance(0.3):
            return Query(tree)
        wrapped = Node("query", "SELECT * FROM (", tree, ") AS q")
        count = top_items(tree)
        keys = [
            "{}{}{}".format(n, self.pick("", " DESC"), self.pick(" NULLS FIRST", " NULLS LAST"))
            for n in range(1, count + 1)
        ]
        self.rng.shuffle(keys)
        limit = Optional_(
            "", " LIMIT {}".format(self.rng.randint(0, 8)), Optional_("", " OFFSET {}".format(self.rng.randint(0, 4)))
        )
        parts: List[object] = [wrapped, " ORDER BY " + ", ".join(keys)] + ([limit] if self.chance(0.6) else [])
        return Query(Node("", *parts), True)  # type: ignore[arg-type]

    def aggregate(self, scope: Sequence[Column], depth: int) -> Node:
        """One aggregate over values that are exact in any order."""
        form = self.rng.randrange(7)
        kind = self.rng.choice([kind for kind in self.types if kind != "bool"])
        distinct = self.pick("", "", "DISTINCT ")
        if form == 0:
            tree = Node("int", "COUNT(*)")
        elif form == 1:
            tree = Node("int", "COUNT(", distinct, self.value(kind, scope, depth, True), ")")
        elif form <= 3:
            tree = Node(kind, self.pick("MIN(", "MAX("), self.value(kind, scope, depth, True), ")")
        elif form <= 5:
            number = self.pick("int", "int", "double") if self.portable else "int"
            tree = Node(number, "SUM(", distinct, self.value(number, scope, depth), ")")
        else:
            tree = Node("double", "AVG(", distinct, self.value("int", scope, depth), ")")
        if self.chance(0.15):
            tree = Node(tree.type, tree, Optional_("", " FILTER (WHERE ", self.condition(scope, depth - 1), ")"))
        return tree

    def aggregated(self, depth: int) -> Node:
        source, scope = self.source(depth)
        items = [self.item(at, self.aggregate(scope, depth - 1)) for at in range(self.rng.randint(1, 3))]
        where = Optional_("", " WHERE ", self.condition(scope, depth)) if self.chance(0.6) else Node("", "")
        return Node("query", "SELECT ", Listing(", ", items), " FROM ", source, where)

    def grouped(self, depth: int) -> Node:
        source, scope = self.using_join() if self.chance(0.1) else self.source(depth)
        keys = [
            self.value(self.rng.choice(self.types), scope, self.rng.randint(0, 1), True)
            for _ in range(self.rng.randint(1, 2))
        ]
        keys = [key for key in keys if any(column.sql in key.text() for column in scope) and "SELECT" not in key.text()]
        keys = keys or [Node("int", self.leaf_column(scope))]
        items = [self.item(at, key) for at, key in enumerate(keys)]
        items += [self.item(at + len(keys), self.aggregate(scope, depth - 1)) for at in range(self.rng.randint(1, 2))]
        where = Optional_("", " WHERE ", self.condition(scope, depth)) if self.chance(0.5) else Node("", "")
        having = Node("", "")
        if self.chance(0.3):
            having = Optional_(
                "",
                " HAVING ",
                Node("bool", "COUNT(*) ", self.pick(">", "=", "<="), " {}".format(self.rng.randint(1, 3))),
            )
        group = Node("", " GROUP BY ", Listing(", ", keys))
        return Node("query", "SELECT ", Listing(", ", items), " FROM ", source, where, group, having)

    def leaf_column(self, scope: Sequence[Column]) -> str:
        return self.rng.choice([column for column in scope if column.type == "int"] or list(scope)).sql

    def set_operation(self) -> Query:
        kinds = self.kinds()
        parts: List[object] = [self.plain_select(kinds, 1)]
        for _ in range(self.rng.randint(1, 3)):
            parts += [self.pick(" UNION ", " UNION ALL ", " EXCEPT ", " INTERSECT "), self.plain_select(kinds, 1)]
        return Query(Node("query", *parts))  # type: ignore[arg-type]

    def windowed(self) -> Query:
        source, scope = self.fresh_table()
        unique = scope[0].sql
        items: List[Node] = [self.item(0, Node("int", unique))]
        for at in range(1, self.rng.randint(2, 4)):
            items.append(self.item(at, self.window(scope, unique)))
        where = Optional_("", " WHERE ", self.condition(scope, 1)) if self.chance(0.4) else Node("", "")
        return Query(Node("query", "SELECT ", Listing(", ", items), " FROM " + source, where))

    def window(self, scope: Sequence[Column], unique: str) -> Node:
        """A window over a total order: every function has one answer."""
        key = self.value(self.rng.choice(self.types), scope, 1, True)
        order = Node("", " ORDER BY ", key, self.pick("", " DESC"), self.pick(" NULLS FIRST", " NULLS LAST"))
        total = Node("", order, ", " + unique + self.pick("", " DESC"))
        split = (
            Optional_("", "PARTITION BY ", self.value(self.rng.choice(("int", "text", "bool")), scope, 1, True))
            if self.chance(0.6)
            else Node("", "")
        )
        value = self.value("int", scope, 1)
        form = self.rng.randrange(6)
        if form == 0:
            return Node("int", self.pick("RANK()", "DENSE_RANK()"), " OVER (", split, order, ")")
        if form == 1:
            return Node("int", "ROW_NUMBER() OVER (", split, total, ")")
        if form == 2:
            return Node(
                "int",
                self.pick("LAG(", "LEAD("),
                value,
                ", {}) OVER (".format(self.rng.randint(0, 2)),
                split,
                total,
                ")",
            )
        if form == 3:
            return Node("int", self.pick("FIRST_VALUE(", "LAST_VALUE("), value, ") OVER (", split, total, ")")
        frame = ""
        if self.chance(0.6):
            start = self.pick("UNBOUNDED PRECEDING", "{} PRECEDING".format(self.rng.randint(0, 3)), "CURRENT ROW")
            frame = " ROWS BETWEEN {} AND {}".format(
                start, self.pick("CURRENT ROW", "{} FOLLOWING".format(self.rng.randint(0, 3)), "UNBOUNDED FOLLOWING")
            )
        return Node("int", self.pick("SUM(", "COUNT(", "MIN(", "MAX("), value, ") OVER (", split, total, frame, ")")

    def with_query(self) -> Query:
        alias, kinds = self.alias(), [self.rng.choice(self.types) for _ in range(3)]
        inner = self.plain_select(kinds, 1)
        scope = [Column("{}.c{}".format(alias, at), kind, kind == "int") for at, kind in enumerate(kinds)]
        items = [self.item(at, self.value(kind, scope, 1, True)) for at, kind in enumerate(kinds)]
        where = Optional_("", " WHERE ", self.condition(scope, 2))
        return Query(
            Node(
                "",
                "WITH w AS (",
                inner,
                ") ",
                Node("query", "SELECT ", Listing(", ", items), " FROM w AS " + alias, where),
            )
        )

    def change(self) -> Tuple[str, Node]:
        """A table and a statement that deletes, updates or adds some of its rows."""
        table, other = self.rng.choice(self.tables), self.rng.choice(self.tables)
        scope = [Column("{}.{}".format(table.name, c.sql), c.type, c.huge) for c in table.columns]
        where = Optional_("", " WHERE ", self.condition(scope, 2))
        form = self.rng.randrange(6)
        if form <= 1:
            return table.name, Node("", "DELETE FROM " + table.name, where)
        if form <= 4:
            columns = self.rng.sample(table.columns[1:], self.rng.randint(1, 3))
            sets = [Node("", c.sql + " = ", self.value(c.type, scope, 2)) for c in columns]
            return table.name, Node("", "UPDATE {} SET ".format(table.name), Listing(", ", sets), where)
        names = ", ".join(["id + 100"] + [c.sql for c in other.columns[1:]])
        source = [Column("{}.{}".format(other.name, c.sql), c.type, c.huge) for c in other.columns]
        text = "INSERT INTO {} SELECT {} FROM {}".format(table.name, names, other.name)
        return table.name, Node("", text, Optional_("", " WHERE ", self.condition(source, 2)))

    def overflow(self) -> Query:
        """Arithmetic at the end of 64 bits, over a whole table: an error as soon as one row does not fit."""
        source, scope = self.fresh_table()
        column = scope[-1].sql
        item = self.pick("{} + 1", "{} - 1", "{} * 2", "- {}", "ABS({})", "{0} + {0}", "{0} - {0}", "SUM({})").format(
            column
        )
        return Query(Node("query", "SELECT ", self.item(0, Node("int", item)), " FROM " + source))


def top_items(tree: Node) -> int:
    """How many columns a SELECT has: its first listing."""
    listing = next(part for part in tree.parts if isinstance(part, Listing))
    return len(listing.parts)


def generator(rng: Random, portable: Optional[bool] = None) -> Generator:
    """A generator for one database; two in three are portable unless told."""
    return Generator(rng, rng.random() < 0.65 if portable is None else portable)

"""Statements in the styles of the public SQLite logic tests: integer tables, deep conditions, towers of signs.

Every style is a function of a random source. It returns a `Script`: statements that build tables, then queries over
them. The text runs on SQLite as it stands; what another engine refuses is the finding.
"""

from dataclasses import dataclass, field
from random import Random
from typing import Callable, Dict, List, Tuple


@dataclass
class Query:
    """One query; `ordered` when its ORDER BY fixes the order of its rows."""

    sql: str
    ordered: bool = False


@dataclass
class Script:
    """Statements that build tables, then steps: queries to compare, or statements that change the tables."""

    setup: List[str]
    queries: List[Query] = field(default_factory=list)


def pick(rng: Random, *choices: str) -> str:
    return rng.choice(choices)


# -- select1 to select3: one table of integers --------------------------------------------------------------------------

LETTERS = "abcde"


def letters_table(rng: Random, null_share: float) -> List[str]:
    """t1(a, b, c, d, e): each row is five numbers in a row, shuffled, some of them NULL."""
    rows = ["CREATE TABLE t1(a INTEGER, b INTEGER, c INTEGER, d INTEGER, e INTEGER)"]
    for start in range(100, 250, 5):
        names, values = list(LETTERS), [str(v) for v in range(start, start + 5)]
        rng.shuffle(names)
        rng.shuffle(values)
        values = ["NULL" if rng.random() < null_share else value for value in values]
        rows.append("INSERT INTO t1({}) VALUES({})".format(",".join(names), ",".join(values)))
    return rows


def letters_item(rng: Random) -> str:
    one, two = rng.sample(LETTERS, 2)
    return pick(
        rng,
        one,
        "{}-{}".format(one, two),
        "abs({})".format(one),
        "abs(b-c)",
        "a+b*2",
        "a+b*2+c*3",
        "a+b*2+c*3+d*4",
        "a+b*2+c*3+d*4+e*5",
        "(a+b+c+d+e)/5",
        "CASE WHEN c>(SELECT avg(c) FROM t1) THEN a*2 ELSE b*10 END",
        "CASE WHEN a<b-3 THEN 111 WHEN a<=b THEN 222 WHEN a<b+3 THEN 333 ELSE 444 END",
        "CASE a+1 WHEN b THEN 111 WHEN c THEN 222 WHEN d THEN 333 WHEN e THEN 444 ELSE 555 END",
        "(SELECT count(*) FROM t1 AS x WHERE x.b<t1.b)",
        "(SELECT count(*) FROM t1 AS x WHERE x.c>t1.c AND x.d<t1.d)",
        "CASE WHEN EXISTS(SELECT 1 FROM t1 AS x WHERE x.b<t1.b) THEN {} ELSE {} END".format(one, two),
        "coalesce({},{},{})".format(one, two, one),
    )


def letters_condition(rng: Random) -> str:
    one, two = rng.sample(LETTERS, 2)
    return pick(
        rng,
        "{}>{}".format(one, two),
        "(a>b-2 AND a<b+2)",
        "(c<=d-2 OR c>=d+2)",
        "(e>c OR e<d)",
        "(e>a AND e<b)",
        "d NOT BETWEEN 110 AND 150",
        "c BETWEEN b-2 AND d+2",
        "b>c AND c>d",
        "a IS NULL",
        "{} IS NOT NULL".format(one),
        "EXISTS(SELECT 1 FROM t1 AS x WHERE x.b<t1.b)",
        "c>(SELECT avg(c) FROM t1)*2",
        "coalesce({},{})<>0".format(one, two),
        "NOT ({}={})".format(one, two),
        "{} IN (SELECT {} FROM t1)".format(one, two),
        "a+b*2 BETWEEN 300 AND 400",
    )


def letters(rng: Random, null_share: float) -> Script:
    script = Script(letters_table(rng, null_share))
    for _ in range(60):
        items = [letters_item(rng) for _ in range(rng.randint(1, 7))]
        sql = "SELECT {}{} FROM t1".format(pick(rng, "", "", "", "DISTINCT "), ", ".join(items))
        conditions = [letters_condition(rng) for _ in range(rng.randint(0, 5))]
        if conditions:
            sql += " WHERE " + pick(rng, " AND ", " OR ").join(conditions)
        ordered = rng.random() < 0.7
        if ordered:
            sql += " ORDER BY " + ",".join(str(n) for n in rng.sample(range(1, len(items) + 1), len(items)))
        script.queries.append(Query(sql, ordered))
    return script


# -- select4: nine small tables and set operations ----------------------------------------------------------------------


def small_tables(rng: Random, count: int, rows: int) -> List[str]:
    setup = []
    for n in range(1, count + 1):
        columns = ["{}{}".format(letter, n) for letter in LETTERS]
        setup.append("CREATE TABLE t{0}({1} INTEGER, x{0} VARCHAR(30))".format(n, " INTEGER, ".join(columns)))
        for row in range(rows):
            values = ",".join("NULL" if rng.random() < 0.03 else str(rng.randint(1, 999)) for _ in columns)
            order = columns + ["x{}".format(n)]
            setup.append(
                "INSERT INTO t{0}({1}) VALUES({2},'table tn{0} row {3}')".format(n, ",".join(order), values, row + 1)
            )
    return setup


def small_condition(rng: Random, n: int, depth: int = 2) -> str:
    column = rng.choice(LETTERS) + str(n)
    if depth and rng.random() < 0.5:
        parts = [small_condition(rng, n, depth - 1) for _ in range(rng.randint(2, 3))]
        return "({})".format(pick(rng, " OR ", " AND ").join(parts))
    if rng.random() < 0.15:
        return "NOT ({})".format(small_condition(rng, n, 0))
    numbers = [str(rng.randint(1, 999)) for _ in range(rng.randint(1, 8))]
    return pick(
        rng,
        "{} in ({})".format(column, ",".join(numbers)),
        "{} IN ({})".format(numbers[0], ",".join(rng.choice(LETTERS) + str(n) for _ in range(3))),
        "{}={}".format(numbers[0], column),
        "{}<{}".format(column, numbers[0]),
        "{}<>{}".format(numbers[0], column),
        "{}>={}".format(column, numbers[0]),
        "{} not in ({})".format(column, ",".join(numbers)),
        "{} BETWEEN {} AND {}".format(column, numbers[0], rng.choice(LETTERS) + str(n)),
    )


def set_operations(rng: Random) -> Script:
    script = Script(small_tables(rng, 9, 10))
    for _ in range(40):
        arms, text = rng.randint(1, 9), rng.random() < 0.3
        selects = []
        for _ in range(arms):
            n = rng.randint(1, 9)
            item = "x{}".format(n) if text else rng.choice(LETTERS) + str(n)
            selects.append("SELECT {} FROM t{} WHERE {}".format(item, n, small_condition(rng, n)))
        sql = selects[0]
        for select in selects[1:]:
            sql += "\n{} {}".format(pick(rng, "UNION", "UNION ALL", "EXCEPT", "INTERSECT"), select)
        script.queries.append(Query(sql))
    for _ in range(20):
        names = rng.sample(range(1, 10), rng.randint(2, 5))
        where = [small_condition(rng, n, 1) for n in names]
        where += ["{}{}={}{}".format(rng.choice(LETTERS), a, rng.choice(LETTERS), b) for a, b in zip(names, names[1:])]
        rng.shuffle(where)
        items = ", ".join(
            pick(rng, "x{}".format(n), "{}{}+{}{}".format(rng.choice(LETTERS), n, rng.choice(LETTERS), n))
            for n in names
        )
        script.queries.append(
            Query("SELECT {} FROM {} WHERE {}".format(items, ", ".join("t%d" % n for n in names), " AND ".join(where)))
        )
    return script


def many_joins(rng: Random) -> Script:
    """select5: comma joins of up to 64 tables along a tree of equalities."""
    setup = []
    for n in range(1, 65):
        setup.append("CREATE TABLE t{0}(a{0} INTEGER PRIMARY KEY, b{0} INTEGER, x{0} VARCHAR(40))".format(n))
        order = rng.sample(range(1, 11), 10)
        for row in range(10):
            setup.append("INSERT INTO t{0} VALUES({1},{2},'table t{0} row {1}')".format(n, row + 1, order[row]))
    script = Script(setup)
    for tables in (2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64):
        names = rng.sample(range(1, 65), tables)
        key = rng.randint(1, 10)
        where = [pick(rng, "a{0}={1}", "{1}=a{0}", "a{0} IN ({1})").format(names[0], key)]
        if rng.random() < 0.4:
            where.append(pick(rng, "a{0}={1}", "{1}=a{0}").format(names[0], key))
        for old, new in zip(names, names[1:]):
            pair = ["a{}".format(new), "b{}".format(old)]
            rng.shuffle(pair)
            where.append("=".join(pair))
        rng.shuffle(where)
        tables_listed = rng.sample(names, tables)
        items = ",".join("x%d" % n for n in rng.sample(names, tables))
        script.queries.append(
            Query(
                "SELECT {} FROM {} WHERE {}".format(
                    items, ",".join("t%d" % n for n in tables_listed), " AND ".join(where)
                )
            )
        )
    return script


# -- random/*: towers of signs over three tables ------------------------------------------------------------------------

TAB_VALUES = {
    "tab0": [(97, 1, 99), (15, 81, 47), (87, 21, 10)],
    "tab1": [(51, 14, 96), (85, 5, 59), (91, 47, 68)],
    "tab2": [(64, 77, 40), (75, 67, 58), (46, 51, 23)],
}


def three_tables() -> List[str]:
    setup = ["CREATE TABLE {}(col0 INTEGER, col1 INTEGER, col2 INTEGER)".format(name) for name in TAB_VALUES]
    for name, rows in TAB_VALUES.items():
        setup += ["INSERT INTO {} VALUES({},{},{})".format(name, *row) for row in rows]
    return setup


def signs(rng: Random) -> str:
    return "".join(pick(rng, "- ", "+ ") for _ in range(rng.choice((0, 0, 0, 1, 1, 1, 2, 2, 3, 4))))


def sign_atom(rng: Random, columns: List[str], depth: int, aggregates: bool) -> str:
    if aggregates and rng.random() < 0.25:
        inner = sign_expr(rng, columns, depth - 1, False)
        name = pick(rng, "COUNT", "SUM", "MIN", "MAX", "AVG", "COUNT")
        if rng.random() < 0.4:
            return "COUNT ( * )" if rng.random() < 0.7 else "COUNT(*)"
        return "{}( {}{} )".format(name, pick(rng, "", "DISTINCT ", "ALL ", ""), inner)
    if depth <= 0 or rng.random() < 0.55:
        number = str(rng.randint(0, 99))
        return rng.choice(columns) if columns and rng.random() < 0.6 else number
    deeper = [sign_expr(rng, columns, depth - 1, aggregates) for _ in range(4)]
    return pick(
        rng,
        "( {} )".format(deeper[0]),
        "( {} )".format(deeper[1]),
        "COALESCE ( {}, {}, {} )".format(*deeper[:3]),
        "COALESCE( {}, {} )".format(*deeper[:2]),
        "NULLIF ( {}, {} )".format(*deeper[:2]),
        "CASE {} WHEN {} THEN {} ELSE {} END".format(*deeper),
        "CASE {} WHEN {} THEN {} END".format(*deeper[:3]),
        "CASE WHEN {} THEN {} ELSE {} END".format(sign_condition(rng, columns, 1, aggregates), *deeper[:2]),
        "CASE WHEN NOT {} THEN NULL ELSE {} END".format(sign_condition(rng, columns, 1, aggregates), deeper[0]),
        "CAST( {} AS INTEGER )".format(deeper[0]),
        "CAST( NULL AS INTEGER )",
        "CAST ( {} AS REAL )".format(deeper[0]),
        "ABS ( {} )".format(deeper[0]),
    )


def sign_expr(rng: Random, columns: List[str], depth: int, aggregates: bool) -> str:
    text = signs(rng) + sign_atom(rng, columns, depth, aggregates)
    while rng.random() < 0.3:
        text += " {} {}{}".format(
            pick(rng, "*", "+", "-", "*", "+", "/"), signs(rng), sign_atom(rng, columns, depth - 1, aggregates)
        )
    return text


def sign_condition(rng: Random, columns: List[str], depth: int, aggregates: bool = False) -> str:
    one, two, three = (sign_expr(rng, columns, depth - 1, aggregates) for _ in range(3))
    text = pick(
        rng,
        "{} {} {}".format(one, pick(rng, "=", "<>", "<", "<=", ">", ">="), two),
        "{} {} {}".format(one, pick(rng, "=", "<>", "<", "<=", ">", ">="), two),
        "{} {}BETWEEN {} AND {}".format(one, pick(rng, "", "NOT "), two, three),
        "{} {}IN ( {}, {} )".format(one, pick(rng, "", "NOT "), two, three),
        "{} {}IN ( {} )".format(one, pick(rng, "", "NOT "), two),
        "{} IS {}NULL".format(one, pick(rng, "", "NOT ")),
        "( {} ) IS {}NULL".format(one, pick(rng, "", "NOT ")),
        "NULL IS {}NULL".format(pick(rng, "", "NOT ")),
        "NOT {} {} NULL".format(one, pick(rng, "=", "<>", "<", ">", "<=", ">=")),
        "{} {} ( NULL )".format(one, pick(rng, "=", "<>", "<", ">", "<=", ">=")),
        "NOT NULL {} {}".format(pick(rng, "=", "<>", "<", ">", "<=", ">="), one),
        "( NULL ) {}BETWEEN {} AND {}".format(pick(rng, "", "NOT "), one, two),
        "{} {}BETWEEN NULL AND {}".format(one, pick(rng, "", "NOT "), two),
        "{} {}BETWEEN ( {} ) AND NULL".format(one, pick(rng, "", "NOT "), two),
        "( {} ) {}IN ( {}, NULL )".format(one, pick(rng, "", "NOT "), two),
        "NULL NOT IN ( {} )".format(one),
    )
    if rng.random() < 0.3:
        text = "NOT ( {} )".format(text) if rng.random() < 0.7 else "NOT " + text
    if depth > 0 and rng.random() < 0.3:
        text = "{} {} {}".format(text, pick(rng, "AND", "OR"), sign_condition(rng, columns, depth - 1, aggregates))
        text = "( {} )".format(text) if rng.random() < 0.5 else text
    return text


def alias(rng: Random, n: int) -> str:
    return pick(rng, "", "", " AS col{}".format(n), " col{}".format(n))


def sign_from(rng: Random) -> Tuple[str, List[str]]:
    one, two = pick(rng, "tab0", "tab1", "tab2"), pick(rng, "tab0", "tab1", "tab2")
    shape = rng.randrange(6)
    if shape <= 1:
        return one, ["col0", "col1", "col2", one + ".col1"]
    if shape == 2:
        return "{} {}cor0".format(one, pick(rng, "", "AS ")), ["col0", "cor0.col1", "cor0.col2", "col2"]
    both = ["cor0.col0", "cor0.col1", "cor1.col0", "cor1.col2"]
    if shape == 3:
        return "{} AS cor0 CROSS JOIN {} AS cor1".format(one, two), both
    if shape == 4:
        return "{} cor0 CROSS JOIN {} cor1".format(one, two), both
    return "( {} AS cor0 CROSS JOIN {} AS cor1 )".format(one, two), both


def random_expr(rng: Random) -> Script:
    script = Script([])
    for _ in range(100):
        items = [sign_expr(rng, [], 3, True) + alias(rng, n) for n in range(rng.randint(1, 2))]
        script.queries.append(Query("SELECT {}{}".format(pick(rng, "ALL ", "DISTINCT ", ""), ", ".join(items))))
    return script


def random_select(rng: Random) -> Script:
    script = Script(three_tables())
    for _ in range(100):
        source, columns = sign_from(rng)
        items = [sign_expr(rng, columns, 2, False) + alias(rng, n) for n in range(rng.randint(1, 3))]
        if rng.random() < 0.2:
            items = ["*"]
        sql = "SELECT {}{} FROM {}".format(pick(rng, "ALL ", "DISTINCT ", ""), ", ".join(items), source)
        if rng.random() < 0.6:
            sql += " WHERE " + sign_condition(rng, columns, 2)
        script.queries.append(Query(sql))
    return script


def random_aggregates(rng: Random) -> Script:
    script = Script(three_tables())
    for _ in range(100):
        source, columns = sign_from(rng)
        name = pick(rng, "COUNT", "SUM", "MIN", "MAX", "AVG")
        items = [
            "{}{}({} {}){}".format(
                signs(rng), name, pick(rng, "", " DISTINCT", " ALL"), sign_expr(rng, columns, 1, False), alias(rng, n)
            )
            for n in range(rng.randint(1, 2))
        ]
        if rng.random() < 0.4:
            items = [sign_expr(rng, [], 2, True) + alias(rng, n) for n in range(rng.randint(1, 2))]
        if not any(word in item for item in items for word in ("COUNT", "SUM", "MIN", "MAX", "AVG")):
            items.append("COUNT( * )")
        sql = "SELECT {}{} FROM {}".format(pick(rng, "ALL ", "DISTINCT ", ""), ", ".join(items), source)
        if rng.random() < 0.4:
            sql += " WHERE " + sign_condition(rng, columns, 2)
        script.queries.append(Query(sql))
    return script


def random_groupby(rng: Random) -> Script:
    script = Script(three_tables())
    for _ in range(100):
        source, columns = sign_from(rng)
        keys = rng.sample(columns, rng.randint(1, 3))
        keys += [rng.choice(keys)] if rng.random() < 0.2 else []
        items = [sign_expr(rng, keys, 2, rng.random() < 0.3) + alias(rng, n) for n in range(rng.randint(1, 2))]
        sql = "SELECT {}{} FROM {}".format(pick(rng, "ALL ", "DISTINCT ", "", ""), ", ".join(items), source)
        if rng.random() < 0.3:
            sql += " WHERE " + sign_condition(rng, columns, 1)
        sql += " GROUP BY " + ", ".join(keys)
        if rng.random() < 0.35:
            sql += " HAVING " + pick(
                rng,
                sign_condition(rng, keys, 1),
                "NULL IS NULL",
                "NOT NULL IS NULL",
                "( NULL ) IS NOT NULL",
                "NOT + COUNT( * ) > NULL",
                "NULL < {}".format(sign_expr(rng, keys, 1, True)),
            )
        script.queries.append(Query(sql))
    for _ in range(10):
        item = sign_expr(rng, [], 1, False)
        script.queries.append(
            Query(
                "SELECT {} FROM tab0 HAVING {}".format(
                    "COUNT(*) + " + item, pick(rng, "NULL IS NULL", "NOT NULL IS NULL", "COUNT ( * ) > 2")
                )
            )
        )
    return script


# -- index/*: two tables with keys, indexes, views, deep conditions -----------------------------------------------------

NUMBERS, TEXTS = ("col0", "col1", "col3", "col4"), ("col2", "col5")


def keyed_tables(rng: Random, unique: bool) -> List[str]:
    columns = "(pk INTEGER PRIMARY KEY, col0 INTEGER, col1 FLOAT, col2 TEXT, col3 INTEGER, col4 FLOAT, col5 TEXT)"
    setup = ["CREATE TABLE tab0" + columns]

    def word() -> str:
        return "".join(rng.choice("abcdefghijklmnopqrstuvwxyz") for _ in range(5))

    for pk in range(rng.choice((10, 10, 100))):
        setup.append(
            "INSERT INTO tab0 VALUES({},{},{},'{}',{},{},'{}')".format(
                pk,
                rng.randint(0, 999),
                rng.randint(0, 99999) / 100,
                word(),
                rng.randint(0, 999),
                rng.randint(0, 99999) / 100,
                word(),
            )
        )
    for n in range(1, 4):
        setup.append("CREATE TABLE tab{}{}".format(n, columns))
        keys = rng.sample(NUMBERS, rng.randint(1, 3))
        setup.append(
            "CREATE {}INDEX idx_tab{}_0 ON tab{} ({})".format(
                "UNIQUE " if unique else "", n, n, ", ".join(key + pick(rng, "", " DESC", "") for key in keys)
            )
        )
        if rng.random() < 0.5:
            setup.append("CREATE INDEX idx_tab{0}_1 ON tab{0} (col2)".format(n))
        setup.append("INSERT INTO tab{} SELECT * FROM tab0".format(n))
        if rng.random() < 0.3:
            setup.append("DROP INDEX idx_tab{}_0".format(n))
    return setup


def key_number(rng: Random, column: str) -> str:
    return (
        str(rng.randint(0, 999))
        if column in ("col0", "col3") or rng.random() < 0.1
        else str(rng.randint(0, 99999) / 100)
    )


def key_condition(rng: Random, depth: int) -> str:
    if depth and rng.random() < 0.5:
        parts = [key_condition(rng, depth - 1) for _ in range(rng.randint(2, 4))]
        text = pick(rng, " AND ", " OR ").join(parts)
        return "({})".format(text) if rng.random() < 0.7 else text
    column = rng.choice(NUMBERS)
    values = [key_number(rng, column) for _ in range(rng.randint(2, 6))]
    text = pick(
        rng,
        "{} {} {}".format(column, pick(rng, "=", "<", "<=", ">", ">=", "<>"), values[0]),
        "{} {} {}".format(column, pick(rng, "<", "<=", ">", ">="), values[0]),
        "{} {} {}".format(values[0], pick(rng, "<", "<=", ">", ">="), column),
        "({} BETWEEN {} AND {})".format(column, *values[:2]),
        "{} IN ({})".format(column, ",".join(values)),
        "{} IN (SELECT {} FROM tab0 WHERE {})".format(
            column, rng.choice(NUMBERS), key_condition(rng, max(depth - 1, 0)) if depth else "col0 > 3"
        ),
        "{} IS NULL".format(column),
        "({} IS NOT NULL)".format(column),
        "{} {} '{}'".format(rng.choice(TEXTS), pick(rng, "<", ">", "="), rng.choice("bghmrx") + "a"),
    )
    return "({})".format(text) if rng.random() < 0.3 else text


def key_query(rng: Random, table: str) -> Query:
    ordered = rng.random() < 0.4
    where = key_condition(rng, rng.randint(0, 4))
    if ordered:
        keys = rng.sample(("col0", "col1", "col3", "col4"), rng.randint(0, 3)) + ["pk"]
        order = ",".join(key + pick(rng, "", " DESC", " ASC") for key in keys)
        return Query(
            "SELECT pk, {} FROM {} WHERE {} ORDER BY {}".format(",".join(rng.sample(NUMBERS, 2)), table, where, order),
            True,
        )
    items = pick(
        rng,
        "pk",
        "*",
        "col0, col1",
        "- col3 + pk * 23, {}".format(rng.choice(NUMBERS)),
        "COUNT(*)",
        "MIN(col0) AS x, MAX(col1)",
        "SUM(col3), AVG(col4)",
        "DISTINCT - col0 AS col1",
    )
    return Query("SELECT {} FROM {} WHERE {}".format(items, table, where))


def indexes(rng: Random) -> Script:
    script = Script(keyed_tables(rng, rng.random() < 0.2))
    script.queries += [key_query(rng, "tab%d" % rng.randint(0, 3)) for _ in range(60)]
    return script


def views(rng: Random) -> Script:
    script = Script(keyed_tables(rng, False))
    for n in range(1, 4):
        script.setup.append(
            "CREATE VIEW view_{}_tab0 AS SELECT pk, {} FROM tab0 WHERE {}".format(
                n, ", ".join(NUMBERS + TEXTS), key_condition(rng, 2)
            )
        )
    script.queries += [key_query(rng, "view_%d_tab0" % rng.randint(1, 3)) for _ in range(30)]
    return script


def changes(rng: Random) -> Script:
    """DELETE and UPDATE by deep conditions; the tables are compared after each."""
    script = Script(keyed_tables(rng, False))
    for _ in range(12):
        table = "tab%d" % rng.randint(1, 3)
        where = key_condition(rng, 2)
        column = rng.choice(NUMBERS)
        change = pick(
            rng,
            "DELETE FROM {} WHERE {}".format(table, where),
            "UPDATE {} SET {} = {} WHERE {}".format(table, column, key_number(rng, column), where),
            "UPDATE {} SET col0 = col3, col3 = col0 WHERE {}".format(table, where),
            "UPDATE {} SET {} = {} WHERE {}".format(table, column, column + " + 1", where),
            "INSERT OR REPLACE INTO {} VALUES({},1,2.5,'x',3,4.5,'y')".format(table, rng.randint(0, 9)),
            "REPLACE INTO {} VALUES({},1,2.5,'x',3,4.5,'y')".format(table, rng.randint(0, 19)),
            "INSERT INTO {} SELECT pk + 1000, col0, col1, col2, col3, col4, col5 FROM {} WHERE pk < 1000 AND NOT EXISTS (SELECT 1 FROM {} WHERE pk >= 1000)".format(
                table, table, table
            ),
        )
        script.queries.append(Query(change))
        script.queries.append(Query("SELECT * FROM {} ORDER BY pk".format(table), True))
    return script


# -- precedence: no parentheses at all --------------------------------------------------------------------------------


def bare_number(rng: Random, depth: int) -> str:
    form = rng.random() if depth else 0.0
    if form < 0.3:
        return pick(rng, "a", "b", "c", "1", "2", "3")
    if form < 0.4:
        return pick(rng, "- ", "+ ") + bare_number(rng, depth - 1)
    if form < 0.5:
        parts = (bare_condition(rng, depth - 1), bare_number(rng, depth - 1), bare_number(rng, depth - 1))
        return "CASE WHEN {} THEN {} ELSE {} END".format(*parts)
    return bare_number(rng, depth - 1) + pick(rng, " + ", " - ", " * ") + bare_number(rng, depth - 1)


def bare_text(rng: Random, depth: int) -> str:
    if depth == 0 or rng.random() < 0.6:
        return pick(rng, "s", "x", "'a'")
    return "{} || {}".format(bare_text(rng, depth - 1), bare_text(rng, depth - 1))


def bare_condition(rng: Random, depth: int) -> str:
    if depth == 0:
        return pick(rng, "a = b", "c IS NULL", "1 < a")

    def number() -> str:
        return bare_number(rng, depth - 1)

    def text() -> str:
        return bare_text(rng, depth - 1)

    def condition() -> str:
        return bare_condition(rng, depth - 1)

    form = rng.randrange(10)
    if form == 0:
        return "NOT " + condition()
    if form <= 2:
        return condition() + pick(rng, " AND ", " OR ") + condition()
    if form <= 4:
        return number() + pick(rng, " = ", " <> ", " < ", " >= ", " != ", " > ", " <= ") + number()
    if form == 5:
        return "{}{}BETWEEN {} AND {}".format(number(), pick(rng, " ", " NOT "), number(), number())
    if form == 6:
        return "{}{}IN ( {}, {} )".format(number(), pick(rng, " ", " NOT "), number(), number())
    if form == 7:
        return number() + pick(rng, " IS NULL", " IS NOT NULL")
    if form == 8:
        return number() + pick(rng, " IS DISTINCT FROM ", " IS NOT DISTINCT FROM ") + number()
    return text() + pick(rng, " = ", " < ", " LIKE ", " NOT LIKE ") + text()


def precedence(rng: Random) -> Script:
    script = Script(["CREATE TABLE t(a INTEGER, b INTEGER, c INTEGER, s TEXT, x TEXT)"])
    for _ in range(10):
        values = [pick(rng, "1", "2", "3", "NULL") for _ in range(3)] + [
            pick(rng, "'a'", "'ab'", "'b'", "''", "NULL") for _ in range(2)
        ]
        script.setup.append("INSERT INTO t VALUES({})".format(",".join(values)))
    for _ in range(50):
        condition = bare_condition(rng, 3)
        script.queries.append(
            Query(
                pick(
                    rng,
                    "SELECT {} FROM t".format(condition),
                    "SELECT * FROM t WHERE " + condition,
                    "SELECT {} FROM t".format(bare_number(rng, 3)),
                )
            )
        )
    return script


STYLES: Dict[str, Callable[[Random], Script]] = {
    "select1": lambda rng: letters(rng, 0.0),
    "select2": lambda rng: letters(rng, 0.15),
    "select4": set_operations,
    "select5": many_joins,
    "random/expr": random_expr,
    "random/select": random_select,
    "random/aggregates": random_aggregates,
    "random/groupby": random_groupby,
    "precedence": precedence,
    "index": indexes,
    "index/view": views,
    "index/delete": changes,
}

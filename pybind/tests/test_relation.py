"""Frames made of frames: each method is the SQL that it says."""

import random
import sys
import threading
from decimal import Decimal
from pathlib import Path
from typing import Any, Callable, List, Tuple

import pytest

import velaria
from support import need
from velaria import col, errors, fn, lit, sql_expr, when

Rows = List[Tuple[Any, ...]]

COLUMNS = {
    "a": [1, 2, None, 4, -5, 2, 9223372036854775807],
    "b": [0, 3, 7, None, 2, 2, 1],
    "x": [0.5, -1.25, None, 3.0, 0.0, 2.5, 1e300],
    "s": ["ada", "Bo", None, "", "ada", "50%", "it's"],
    "k": ["u", "v", "u", "v", "u", None, None],
}


@pytest.fixture
def table(session: velaria.Session) -> velaria.DataFrame:
    """Seven rows with NULL and values at the edges, also known as ``t``."""
    frame = session.create_dataframe_from_arrow(COLUMNS)
    session.create_temp_view("t", frame)
    return frame


def outcome(action: Callable[[], velaria.DataFrame]) -> Any:
    """The names and rows, or the code of the error."""
    try:
        frame = action()
        return frame.columns, sorted(map(repr, frame.fetchall()))
    except errors.Error as error:
        return error.code


# Expressions.


def test_operators_read_as_sql() -> None:
    for expression, text in [
        (col("a") + 1, "a + 1"),
        (1 - col("a"), "1 - a"),
        ((col("a") + 1) * 2, "(a + 1) * 2"),
        (col("a") / 2 % 3, "a / 2 % 3"),
        (-col("a"), "-a"),
        (col("a") == "x", "a = 'x'"),
        (2 < col("a"), "a > 2"),
        ((col("a") != 1) & ~(col("b") <= 2) | col("c"), "a <> 1 AND NOT b <= 2 OR c"),
        (True & col("c"), "true AND c"),
        (col("a").is_null() | col("b").is_not_null(), "a IS NULL OR b IS NOT NULL"),
        (col("s").is_in(["a", "it's"]), "s IN ('a', 'it''s')"),
        (col("a").between(1, col("b")), "a BETWEEN 1 AND b"),
        (col("s").like("a%", escape="!"), "s LIKE 'a%' ESCAPE '!'"),
        (~col("s").ilike("a%"), "NOT s ILIKE 'a%'"),
        (col("a").cast("VARCHAR"), "CAST(a AS VARCHAR)"),
        (col("a").cast("INT", safe=True), "TRY_CAST(a AS INT)"),
        (col("a b"), '"a b"'),
        (col("id", "other"), "other.id"),
        (col("a").sum().alias("total"), 'sum(a) AS "total"'),
        (col("a").count_distinct(), "count(DISTINCT a)"),
        (fn.count(), "count(*)"),
        (fn.if_(col("a") > 1, "x", None), "if(a > 1, 'x', NULL)"),
        (fn.array_agg(col("a"), order_by=col("b").desc(nulls="last")), "array_agg(a ORDER BY b DESC NULLS LAST)"),
        (fn.sum(col("a"), filter="b > 1"), "sum(a) FILTER (WHERE b > 1)"),
        (
            fn.sum(col("a")).over(partition_by="k", order_by=["a"], rows=(-1, 0)),
            "sum(a) OVER (PARTITION BY k ORDER BY a ROWS BETWEEN 1 PRECEDING AND CURRENT ROW)",
        ),
        (when(col("a") > 1, "m").when("a = 1", "o").otherwise("f"), "CASE WHEN a > 1 THEN 'm' WHEN a = 1 THEN 'o' ELSE 'f' END"),
        (sql_expr("a + ? AS b", [3]), 'a + 3 AS "b"'),
        (lit(None), "NULL"),
        (lit(Decimal("1.50")), "CAST('1.50' AS DECIMAL(3,2))"),
    ]:
        assert str(expression) == text
        assert repr(expression) == "<velaria.Expression {}>".format(text)
    assert repr(col("a").desc()) == "<velaria.SortKey a DESC>"


def test_an_expression_has_no_truth() -> None:
    for mistake in [
        lambda: bool(col("a") > 1),
        lambda: col("a") > 1 and col("b") > 1,
        lambda: 1 < col("a") < 5,
        lambda: not col("a"),
    ]:
        with pytest.raises(TypeError, match="&"):
            mistake()  # type: ignore[no-untyped-call]
    with pytest.raises(TypeError):
        hash(col("a"))
    with pytest.raises(TypeError, match="cannot create"):
        velaria.Expression()


def test_wrong_expressions_say_what_is_wrong() -> None:
    for mistake, words in [
        (lambda: col(""), "name"),
        (lambda: col("a") + object(), "cannot be a parameter"),
        (lambda: col("a").is_in("abc"), "not a text"),
        (lambda: col("a").asc(nulls="middle"), "middle"),
        (lambda: col("a") + col("b").desc(), "sort key"),
        (lambda: col("a").alias("x") + 1, "name"),
        (lambda: col("a").over(), "call of a function"),
        (lambda: col("a").otherwise(1), "when"),
        (lambda: col("a").cast("INT) + (1"), "unexpected token"),
        (lambda: sql_expr("a; DROP TABLE t"), "unexpected token"),
        (lambda: sql_expr("a, b"), "unexpected token"),
        (lambda: sql_expr("a = ?", []), "parameter"),
    ]:
        with pytest.raises(errors.Error, match=words):
            mistake()  # type: ignore[no-untyped-call]
    with pytest.raises(AttributeError):
        fn.__nothing__


def test_numbers_of_numpy_are_numbers() -> None:
    np = need("numpy")
    assert str(np.float64(2.5) * col("a")) == "2.5e0 * a"
    assert str(col("a") + np.int64(2)) == "a + 2"
    assert str(col("a").is_in(np.array([1, 2]))) == "a IN (1, 2)"


def test_deep_expressions_end_in_an_error() -> None:
    deep = col("a")
    with pytest.raises(errors.Error) as raised:
        for _ in range(5000):
            deep = deep + 1
    assert raised.value.code == "VEL-1004"
    results: List[object] = []

    def drop() -> None:
        results.append(str(deep)[:5])

    threading.stack_size(256 * 1024)
    try:
        thread = threading.Thread(target=drop)
        thread.start()
    finally:
        threading.stack_size(0)
    thread.join()
    assert results == ["a + 1"]


# Each method is its SQL.


def test_methods_are_their_sql(session: velaria.Session, table: velaria.DataFrame) -> None:
    for frame, text in [
        (table.filter(col("a") > 1), "SELECT * FROM t WHERE a > 1"),
        (table.filter("a > 1", col("b").is_not_null()), "SELECT * FROM t WHERE a > 1 AND b IS NOT NULL"),
        (table.select("a", col("b") * 2, fn.upper(col("s"))), "SELECT a, b * 2, upper(s) FROM t"),
        (table.select("*", one=1, again="a"), "SELECT *, 1 AS one, a AS again FROM t"),
        (table.with_columns(b=col("a") % 3, z=lit("z")), "SELECT a, a % 3 AS b, x, s, k, 'z' AS z FROM t"),
        (table.drop("a", "K"), "SELECT b, x, s FROM t"),
        (table.rename({"a": "A b", "s": "a"}), 'SELECT a AS "A b", b, x, s AS a, k FROM t'),
        (table.select("k").distinct(), "SELECT DISTINCT k FROM t"),
        (table.aggregate(fn.count(), col("b").sum()), "SELECT count(*), sum(b) FROM t"),
        (
            table.aggregate(col("x").avg(), by="k", having=fn.count() > 2, n=fn.count()),
            "SELECT k, avg(x), count(*) AS n FROM t GROUP BY k HAVING count(*) > 2",
        ),
        (
            table.aggregate(fn.max(col("b"), filter="a > 0"), by=[fn.length(col("s")), col("k").alias("key")]),
            "SELECT length(s), k AS key, max(b) FILTER (WHERE a > 0) FROM t GROUP BY length(s), k",
        ),
        (table.select(n=fn.row_number().over(order_by=col("b").desc())), "SELECT row_number() OVER (ORDER BY b DESC) AS n FROM t"),
        (table.union(table), "SELECT * FROM t UNION ALL SELECT * FROM t"),
        (table.union(table, distinct=True), "SELECT * FROM t UNION SELECT * FROM t"),
        (table.select("b", "a").union(table.select("a", "b"), by_name=True), "SELECT b, a FROM t UNION ALL SELECT b, a FROM t"),
        (table.intersect(table.filter("a > 1")), "SELECT * FROM t INTERSECT SELECT * FROM t WHERE a > 1"),
        (table.except_(table.filter("a > 1")), "SELECT * FROM t EXCEPT SELECT * FROM t WHERE a > 1"),
        (table.describe(), "DESCRIBE t"),
        (table.select("b", "x", "s").summarize(), "SUMMARIZE SELECT b, x, s FROM t"),
    ]:
        told = session.sql(text)
        assert frame.schema == told.schema, text
        assert sorted(map(repr, frame.fetchall())) == sorted(map(repr, told.fetchall())), text


def test_order_and_limit_are_those_of_sql(session: velaria.Session, table: velaria.DataFrame) -> None:
    for frame, text in [
        (table.order("b", col("a").desc()), "SELECT * FROM t ORDER BY b, a DESC"),
        (table.order(col("x").desc(nulls="last"), "a").limit(3), "SELECT * FROM t ORDER BY x DESC NULLS LAST, a LIMIT 3"),
        (table.order("a", "b").limit(2, offset=3), "SELECT * FROM t ORDER BY a, b LIMIT 2 OFFSET 3"),
        (table.order("x").filter("b > 0").select("b", "s"), "SELECT b, s FROM t WHERE b > 0 ORDER BY x"),
        (table.order(col("b") % 3, "a").with_columns(c=fn.upper(col("s"))), "SELECT *, upper(s) AS c FROM t ORDER BY b % 3, a"),
    ]:
        assert frame.fetchall() == session.sql(text).fetchall(), text


def test_an_order_lasts_over_threads() -> None:
    with velaria.Session(threads=4) as session:
        session.sql("CREATE TABLE n AS SELECT (value * 7919) % 200003 AS v FROM range(200003)")
        ordered = session.table("n").order(col("v").desc())
        for frame in [
            ordered,
            ordered.filter(col("v") % 2 == 0),
            ordered.with_columns(w=fn.md5(col("v").cast("VARCHAR"))).drop("w"),
            ordered.rename({"v": "u"}).select(v="u").filter("v > 10"),
            ordered.sql("SELECT v FROM self WHERE v > 1000"),
        ]:
            values = [row[0] for row in frame.fetchall()]
            assert len(values) > 50_000
            assert values == sorted(values, reverse=True)
        assert ordered.limit(2, offset=100_000).fetchall() == [(100_002,), (100_001,)]


def test_joins_are_those_of_sql(session: velaria.Session, table: velaria.DataFrame) -> None:
    other = session.create_dataframe_from_arrow({"b": [2, 3, 9, None], "label": ["two", "three", "nine", "none"], "s": ["x"] * 4})
    session.create_temp_view("o", other)
    using = "SELECT t.a, b, o.label FROM t {} JOIN o USING (b)"
    for frame, text in [
        (table.drop("s").join(other, "b").select("a", "b", "label"), using.format("INNER")),
        (table.drop("s").join(other, ["b"], "left").select("a", "b", "label"), using.format("LEFT")),
        (table.drop("s").join(other, "b", "full").select("a", "b", "label"), using.format("FULL OUTER")),
        (table.drop("s").join(other, "b", how="right").select("a", "b", "label"), using.format("RIGHT")),
        (table.join(other, "b", "semi"), "SELECT * FROM t WHERE b IN (SELECT b FROM o)"),
        (table.join(other, "b", "anti"), "SELECT * FROM t WHERE NOT EXISTS (SELECT 1 AS one FROM o WHERE o.b = t.b)"),
        (
            table.join(other, col("b", "self") > col("b", "other"), suffix="_o"),
            "SELECT t.*, o.b AS b_o, label, o.s AS s_o FROM t JOIN o ON t.b > o.b",
        ),
        (table.join(other, left_on="a", right_on="b", suffix="_o").select("a", "b_o"), "SELECT t.a, o.b AS b_o FROM t JOIN o ON t.a = o.b"),
        (table.join(other, how="cross", suffix="_o").aggregate(fn.count()), "SELECT count(*) FROM t CROSS JOIN o"),
    ]:
        assert outcome(lambda: frame) == outcome(lambda: session.sql(text)), text
    for mistake in [
        lambda: table.join(other),
        lambda: table.join(other, "b", "sideways"),
        lambda: table.join(other, "b", left_on="a"),
        lambda: table.join(other, left_on="a", right_on=["a", "b"]),
        lambda: table.join(other, "b", "cross"),
        lambda: table.join([1], "b"),  # type: ignore[arg-type]
        lambda: table.join(other, "nothing"),
        lambda: table.join(other, []),
    ]:
        with pytest.raises(errors.Error):
            mistake()


def test_a_join_of_columns_with_the_same_name_has_both(session: velaria.Session, table: velaria.DataFrame) -> None:
    both = table.join(table, "a")
    assert sorted(both.columns) == sorted(session.sql("SELECT * FROM t JOIN t AS o USING (a)").columns)
    assert both.columns == ["a", "b", "x", "s", "k", "b", "x", "s", "k"]
    with pytest.raises(errors.Error) as raised:
        both.filter("b > 1")
    assert raised.value.code == "VEL-2006"


@pytest.mark.parametrize("how", ["inner", "left", "right", "full"])
def test_a_join_by_name_keeps_the_order_of_the_frames(session: velaria.Session, how: str) -> None:
    left = session.create_dataframe_from_arrow({"x": [1], "k": [1]})
    right = session.create_dataframe_from_arrow({"a": [2], "k": [1]})
    joined = left.join(right, "k", how)
    assert (joined.columns, joined.fetchall()) == (["x", "k", "a"], [(1, 1, 2)])
    assert left.join(right, "k", how, suffix="_2").columns == joined.columns


# Random expressions.

LEAVES = [
    lambda r: col(r.choice("abxs")),
    lambda r: col(r.choice("ab")),
    lambda r: lit(r.choice([0, 1, -2, 2.5, None, "a%", "it's", True, 9223372036854775807, Decimal("1.5")])),
]


def expression(r: "random.Random", depth: int) -> velaria.Expression:
    if depth == 0 or r.random() < 0.15:
        return r.choice(LEAVES)(r)
    one, two = expression(r, depth - 1), expression(r, depth - 1)
    return r.choice(
        [
            lambda: one + two,
            lambda: one - two,
            lambda: one * two,
            lambda: one / two,
            lambda: one % two,
            lambda: one == two,
            lambda: one != two,
            lambda: one < two,
            lambda: one >= two,
            lambda: one & two,
            lambda: one | two,
            lambda: ~one,
            lambda: -one,
            lambda: one.is_null(),
            lambda: one.is_in([two, 1]),
            lambda: one.between(two, 5),
            lambda: one.like(two),
            lambda: one.cast("DOUBLE", safe=True),
            lambda: one.cast("VARCHAR"),
            lambda: fn.coalesce(one, two),
            lambda: fn.upper(one),
            lambda: fn.abs(one),
            lambda: when(one, two).otherwise(one),
        ]
    )()


@pytest.mark.parametrize("seed", range(6))
def test_any_expression_is_its_text(session: velaria.Session, table: velaria.DataFrame, seed: int) -> None:
    r = random.Random(seed)
    codes = set()
    for _ in range(60):
        made = expression(r, r.randrange(1, 4))
        text = str(made)
        for method, statement in [
            (lambda: table.select(made), "SELECT {} FROM t"),
            (lambda: table.filter(made), "SELECT * FROM t WHERE {}"),
            (lambda: table.aggregate(n=fn.count(made)), "SELECT count({}) AS n FROM t"),
        ]:
            told = outcome(lambda: session.sql(statement.format(text)))
            assert outcome(method) == told, statement.format(text)
            codes.add(told if isinstance(told, str) else "ok")
        assert str(sql_expr(text)) == text
    assert "ok" in codes and len(codes) > 1


# Self.


def test_sql_over_self(session: velaria.Session, table: velaria.DataFrame) -> None:
    assert table.sql("SELECT count(*) AS n FROM self").fetchall() == [(7,)]
    assert table.sql("FROM Self WHERE a = :a", {"a": 4}).fetchall() == [(4, None, 3.0, "", "v")]
    assert table.sql("WITH self AS (SELECT 1 AS one) SELECT * FROM self").fetchall() == [(1,)]
    assert table.sql("SELECT count(*) AS n FROM self JOIN t ON self.a = t.a").fetchall() == [(8,)]
    assert table.sql("SELECT max(a) AS m FROM (SELECT a FROM self WHERE a < 4) AS s WHERE a IN (SELECT b FROM self)").fetchall() == [(2,)]
    assert any("Filter" in line for line, in table.sql("EXPLAIN SELECT * FROM self WHERE a > 1").fetchall())
    assert table.sql("DESCRIBE self").fetchall()[0][0] == "a"


def test_self_is_seen_by_its_statement_alone(session: velaria.Session, table: velaria.DataFrame) -> None:
    table.filter("a > 1").fetchall()
    with pytest.raises(errors.CatalogError):
        session.sql("SELECT * FROM self")
    session.sql("CREATE TABLE self AS SELECT 42 AS answer")
    session.sql("CREATE TABLE other AS SELECT 43 AS answer")
    assert session.sql("SELECT * FROM self").fetchall() == [(42,)]
    assert table.sql("SELECT count(*) AS n FROM self").fetchall() == [(7,)]
    assert table.sql("SELECT answer FROM other").fetchall() == [(43,)]
    assert table.union(table).count() == 14
    assert session.table("self").sql("SELECT answer + 1 AS a FROM self").fetchall() == [(43,)]


def test_a_frame_answers_queries_only(session: velaria.Session, table: velaria.DataFrame) -> None:
    for text in ["CREATE TABLE n AS SELECT * FROM self", "INSERT INTO t SELECT * FROM self", "DROP VIEW t", "COPY self TO '/tmp/x.csv'"]:
        with pytest.raises(errors.UnsupportedError):
            table.sql(text)
    with pytest.raises(errors.CatalogError):
        table.sql("SELECT * FROM nothing")
    assert session.sql("SHOW TABLES").fetchall() == [("t", "view")]


def test_errors_name_what_was_meant(table: velaria.DataFrame) -> None:
    for mistake in [
        lambda: table.filter(col("aa") > 1),
        lambda: table.select("q"),
        lambda: table.drop("q"),
        lambda: table.rename({"q": "r"}),
        lambda: table.order("q"),
        lambda: table.aggregate(col("q").sum(), by="k"),
    ]:
        with pytest.raises(errors.PlanError) as raised:
            mistake()
        assert raised.value.code == "VEL-2001"
    with pytest.raises(errors.Error) as raised:
        table.select(fn.uper(col("s")))
    assert "upper" in str(raised.value)
    for mistake, code in [
        (lambda: table.select(), "VEL-7001"),
        (lambda: table.filter(), "VEL-7001"),
        (lambda: table.order(), "VEL-7001"),
        (lambda: table.order(lit(1)), "VEL-7001"),
        (lambda: table.aggregate(by=lit(1)), "VEL-7001"),
        (lambda: table.with_columns(col("a") + 1), "VEL-7001"),
        (lambda: table.with_columns(col("a").alias("z"), z=1), "VEL-2006"),
        (lambda: table.rename({"a": "b"}), "VEL-2006"),
        (lambda: table.drop("a", "b", "x", "s", "k"), "VEL-7001"),
        (lambda: table.union(table.select("a")), None),
        (lambda: table.filter("a >"), "VEL-1001"),
    ]:
        with pytest.raises(errors.Error) as failed:
            mistake()
        assert code is None or failed.value.code == code


# One plan.


def test_a_chain_is_one_plan(session: velaria.Session, table: velaria.DataFrame) -> None:
    chain = table.filter(col("a") > 0).with_columns(c=col("a") % 2).filter("c = 1").select("a", "c").order("a").limit(2)
    assert chain.fetchall() == [(1, 1), (9223372036854775807, 1)]
    explained = chain.explain()
    assert explained.count("logical\n") == 1 and explained.count("Filter") >= 1
    # The conditions meet at the source.
    assert "Limit" in explained and "OrderBy" in explained


def test_a_frame_follows_its_tables(session: velaria.Session) -> None:
    session.sql("CREATE TABLE n (v BIGINT)")
    large = session.table("N").filter(col("v") > 1)
    assert large.count() == 0
    session.sql("INSERT INTO n VALUES (1), (2), (3)")
    assert large.count() == 2
    session.sql("CREATE VIEW w AS SELECT v * 2 AS d FROM n")
    assert session.table("w").aggregate(col("d").sum()).fetchall() == [(12,)]
    with pytest.raises(errors.CatalogError):
        session.table("nothing")


def test_late_types_widen_through_a_chain(session: velaria.Session, tmp_path: Path) -> None:
    numbers = [str(number) for number in range(200_000)]
    lines = ["v", *numbers, "late", *numbers]
    (tmp_path / "late.csv").write_text("\n".join(lines) + "\n")
    frame = session.read_csv(tmp_path / "late.csv")
    chain = frame.select("v").filter(col("v").is_not_null())
    with pytest.warns(errors.Warning):
        assert len(chain.fetchall()) == 400_001


def test_the_time_of_a_query_goes_on(session: velaria.Session) -> None:
    now = session.sql("SELECT now() AS t")
    same = now.with_columns(u=sql_expr("now()")).filter(col("t") == col("u"))
    assert same.count() == 1


def test_steps_are_bounded(table: velaria.DataFrame) -> None:
    frame = table.select("a")
    with pytest.raises(errors.Error) as raised:
        for _ in range(400):
            frame = frame.filter(col("a") > 1)
    assert raised.value.code == "VEL-1004"
    assert frame.count() == 4


def test_threads_make_frames_of_one(table: velaria.DataFrame) -> None:
    results: List[int] = []

    def work(least: int) -> None:
        for _ in range(5):
            results.append(table.filter(col("b") >= least).join(table, "b", "semi").count())

    threads = [threading.Thread(target=work, args=(least,)) for least in (0, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(set(results)) == [4, 6] and len(results) == 10


def test_many_conditions_and_values(table: velaria.DataFrame) -> None:
    assert table.filter(*[col("a") != number for number in range(100, 1500)]).count() == 6
    assert table.filter(col("b").is_in(range(20_000))).count() == 6
    assert table.filter(col("b").is_in([])).count() == 0


# The session.


def test_explain_sql(session: velaria.Session, table: velaria.DataFrame) -> None:
    text = session.explain_sql("SELECT a FROM t WHERE a > ?", [1])
    sections = [line for line in text.splitlines() if line in ("frontend", "logical", "physical", "strategy")]
    assert sections == ["frontend", "logical", "physical", "strategy"]
    assert "dialect=velaria_sql_v1" in text
    assert text.endswith(session.sql("SELECT a FROM t WHERE a > 1").explain())
    for statement in ["CREATE TABLE n (v INT)", "INSERT INTO t VALUES (1)", "EXPLAIN SELECT 1", "SHOW TABLES"]:
        with pytest.raises(errors.UnsupportedError):
            session.explain_sql(statement)
    assert session.sql("SHOW TABLES").fetchall() == [("t", "view")]


def test_summarize_equals_sql(session: velaria.Session, table: velaria.DataFrame) -> None:
    summary = {row["column_name"]: row for row in (dict(zip(table.drop("a").summarize().columns, row)) for row in table.drop("a").summarize().fetchall())}
    told = session.sql("SELECT min(b), max(b), count(DISTINCT b), avg(b), median(b), count(*) FROM t").fetchall()[0]
    b = summary["b"]
    assert (int(b["min"]), int(b["max"]), b["approx_unique"], b["avg"], b["q50"], b["count"]) == told
    assert b["null_percentage"] == pytest.approx(100 / 7, abs=0.01)


def test_a_closed_session_has_no_tables(table: velaria.DataFrame) -> None:
    closed = velaria.Session()
    closed.close()
    with pytest.raises(errors.Error):
        closed.table("t")
    with pytest.raises(errors.Error):
        closed.explain_sql("SELECT 1")


def test_references_go_with_the_frame(session: velaria.Session) -> None:
    frame = session.create_dataframe_from_arrow({"a": [1]})
    before = sys.getrefcount(frame)
    for _ in range(50):
        frame.filter(col("a") > 0).count()
    assert sys.getrefcount(frame) == before

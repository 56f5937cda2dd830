"""Variables of the caller as tables: ``SELECT * FROM df``."""

import gc
import sys
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, Callable, Iterator, List

import pytest

import velaria
from support import need, run_code
from velaria import errors

GLOBAL_TABLE = {"where": ["global"]}


@contextmanager
def not_found() -> Iterator["pytest.ExceptionInfo[errors.CatalogError]"]:
    """A statement whose table is not there. It stands in the test itself: its caller's variables are the test's."""
    with pytest.raises(errors.CatalogError) as raised:
        yield raised
    assert raised.value.code == "VEL-4001"


# What is a table.


def test_a_dict_of_columns(session: velaria.Session) -> None:
    df = {"a": [1, 2, None], "b": ["x", None, "z"]}
    assert session.sql("SELECT * FROM df ORDER BY a").fetchall() == [(1, "x"), (2, None), (None, "z")]
    assert session.sql("SELECT count(*) AS n, sum(a) AS s FROM df").fetchall() == [(3, 3)]


def test_a_polars_frame_eager_and_lazy(session: velaria.Session) -> None:
    pl = need("polars")
    df = pl.DataFrame({"a": [1, 2, 3], "b": ["x", "y", "z"]})
    lazy = df.lazy().filter(pl.col("a") > 1)
    assert session.sql("SELECT b FROM df WHERE a = 2").fetchall() == [("y",)]
    assert session.sql("SELECT a FROM lazy ORDER BY a").fetchall() == [(2,), (3,)]
    assert session.sql("SELECT d.a FROM df AS d JOIN lazy AS l ON d.a = l.a ORDER BY d.a").fetchall() == [(2,), (3,)]


def test_a_pandas_frame(session: velaria.Session) -> None:
    pd = need("pandas")
    need("pyarrow")
    df = pd.DataFrame({"a": [1.5, 2.5], "b": ["x", None]})
    assert session.sql("SELECT a, b FROM df ORDER BY a").fetchall() == [(1.5, "x"), (2.5, None)]


def test_arrow_tables_and_batches(session: velaria.Session) -> None:
    pa = need("pyarrow")
    whole = pa.table({"a": [1, 2]})
    batch = whole.to_batches()[0]
    batches = [batch, batch]
    assert session.sql("SELECT sum(a) AS s FROM whole").fetchall() == [(3,)]
    assert session.sql("SELECT sum(a) AS s FROM batch").fetchall() == [(3,)]
    assert session.sql("SELECT sum(a) AS s FROM batches").fetchall() == [(6,)]


def test_a_reader_is_refused_because_it_gives_its_rows_once(session: velaria.Session) -> None:
    pa = need("pyarrow")
    reader = pa.table({"a": [1, 2]}).to_reader()
    with not_found() as raised:
        session.sql("SELECT * FROM reader")
    error = raised.value
    assert error.hint is not None and error.hint.startswith("the Python variable reader is a RecordBatchReader, which gives its rows only once")
    assert reader.read_all().num_rows == 2, "nothing was taken from it"


def test_a_duckdb_relation(session: velaria.Session) -> None:
    duckdb = need("duckdb")
    need("pyarrow")
    relation = duckdb.sql("SELECT * FROM range(3) AS r(a)")
    for _ in range(2):
        assert session.sql("SELECT sum(a) AS s FROM relation").fetchall() == [(3,)]


def test_a_frame_of_velaria_also_of_another_session(session: velaria.Session) -> None:
    frame = session.sql("SELECT 1 AS a")
    other = velaria.Session()
    other.sql("CREATE TABLE t (a INT)")
    other.sql("INSERT INTO t VALUES (7)")
    foreign = other.sql("SELECT a FROM t")
    assert session.sql("SELECT * FROM frame UNION ALL SELECT * FROM foreign").count() == 2
    other.sql("INSERT INTO t VALUES (8)")
    assert session.sql("SELECT count(*) AS n FROM foreign").fetchall() == [(2,)]


def test_a_numpy_array_of_two_dimensions(session: velaria.Session) -> None:
    np = need("numpy")
    matrix = np.arange(6, dtype=np.float32).reshape(3, 2)
    flat = np.arange(3)
    assert session.sql("SELECT vector FROM matrix").fetchall() == [([0.0, 1.0],), ([2.0, 3.0],), ([4.0, 5.0],)]
    with not_found() as raised:
        session.sql("SELECT * FROM flat")
    assert raised.value.hint == 'the Python variable flat is of type ndarray, which is one column: write {"name": values} to make it a table'
    columns = {"x": flat}
    assert session.sql("SELECT sum(x) AS s FROM columns").fetchall() == [(3,)]


def test_an_object_that_speaks_arrow(session: velaria.Session) -> None:
    class Wrapper:
        def __init__(self, frame: velaria.DataFrame) -> None:
            self.frame = frame

        def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
            return self.frame.__arrow_c_stream__(requested_schema)

    wrapped = Wrapper(session.sql("SELECT 5 AS a"))
    assert session.sql("SELECT a FROM wrapped").fetchall() == [(5,)]


@pytest.mark.parametrize(
    ("value", "type_name"),
    [(1, "int"), ("text", "str"), (None, "NoneType"), ({}, "dict"), ({"a": 1}, "dict"), ({1: [1]}, "dict"), ([], "list"), ([1, 2], "list"), (len, "builtin_function_or_method"), (sys, "module"), (dict, "type")],
)
def test_other_objects_are_named_with_their_type(session: velaria.Session, value: Any, type_name: str) -> None:
    df = value
    with not_found() as raised:
        session.sql("SELECT * FROM df")
    error = raised.value
    assert error.message == "view not found: df"
    assert error.hint == "the Python variable df is of type {}, which is no table: a table is a DataFrame, Arrow data, a dict of columns or a two-dimensional array".format(type_name)
    assert error.position is not None and (error.position.column, error.position.length) == (15, 2)


def test_single_columns_are_no_tables(session: velaria.Session) -> None:
    pl = need("polars")
    pa = need("pyarrow")
    series = pl.Series("a", [1])
    one_array = pa.array([1])
    for name in ("series", "one_array"):
        with not_found() as raised:
            session.sql("SELECT * FROM " + name)
        assert "which is one column" in str(raised.value.hint)
    assert series is not None and one_array is not None


def test_an_object_that_has_every_attribute_is_no_table(session: velaria.Session) -> None:
    class Everything:
        def __getattr__(self, name: str) -> Any:
            raise AssertionError("asked for " + name)

    df = Everything()
    with not_found() as raised:
        session.sql("SELECT * FROM df")
    assert "of type Everything" in str(raised.value.hint)


def test_bad_data_is_the_error_of_the_data(session: velaria.Session) -> None:
    mixed = {"a": [1, "x"]}
    with pytest.raises(TypeError, match="column a mixes int and str"):
        session.sql("SELECT * FROM mixed")
    uneven = {"a": [1], "b": [1, 2]}
    with pytest.raises(errors.DataError):
        session.sql("SELECT * FROM uneven")


# Whose variables.


def test_locals_go_before_globals(session: velaria.Session) -> None:
    assert session.sql("SELECT * FROM GLOBAL_TABLE").fetchall() == [("global",)]

    def shadowed() -> Any:
        GLOBAL_TABLE = {"where": ["local"]}
        return session.sql("SELECT * FROM GLOBAL_TABLE").fetchall()

    assert shadowed() == [("local",)]


def test_a_local_that_is_no_table_hides_a_global_that_is_one(session: velaria.Session) -> None:
    GLOBAL_TABLE = 3
    with not_found() as raised:
        session.sql("SELECT * FROM GLOBAL_TABLE")
    assert "of type int" in str(raised.value.hint)


def test_parameters_of_the_function_and_loops(session: velaria.Session) -> None:
    def total(df: Any, *args: Any, **kwargs: Any) -> List[Any]:
        return session.sql("SELECT sum(a) AS s FROM df").fetchall()

    assert [total({"a": [number]}) for number in range(3)] == [[(0,)], [(1,)], [(2,)]]
    for df in ({"a": [1]}, {"a": [2]}):
        assert session.sql("FROM df").fetchall() == [(df["a"][0],)]


def test_frames_further_up_are_not_looked_at(session: velaria.Session) -> None:
    def inner() -> None:
        session.sql("SELECT * FROM hidden")

    def outer() -> None:
        hidden = {"a": [1]}
        inner()

    with pytest.raises(errors.CatalogError, match="view not found: hidden"):
        outer()


def test_variables_of_enclosing_functions_are_not_looked_at(session: velaria.Session) -> None:
    GLOBAL_TABLE = {"where": ["enclosing"]}

    def unmentioned() -> Any:
        return session.sql("SELECT * FROM GLOBAL_TABLE").fetchall()

    # Python itself does not know the variable in there.
    assert unmentioned() == [("global",)]

    def mentioned() -> Any:
        assert GLOBAL_TABLE
        return session.sql("SELECT * FROM GLOBAL_TABLE").fetchall()

    # Here it means another table than the statement would find: neither is taken.
    with pytest.raises(errors.CatalogError) as raised:
        mentioned()
    assert raised.value.hint == "GLOBAL_TABLE is a variable of an enclosing function, which is not looked at: assign it to a local variable first"


def test_a_variable_that_an_inner_function_uses_is_still_local(session: velaria.Session) -> None:
    df = {"a": [1]}

    def uses() -> Any:
        return df

    assert session.sql("SELECT * FROM df").fetchall() == [(1,)]
    assert uses() is df


def test_builtins_are_not_looked_at(session: velaria.Session) -> None:
    import builtins

    builtins.a_builtin_table = {"a": [1]}  # type: ignore[attr-defined]
    try:
        with not_found():
            session.sql("SELECT * FROM a_builtin_table")
    finally:
        del builtins.a_builtin_table  # type: ignore[attr-defined]


def test_generators_have_locals_of_their_own(session: velaria.Session) -> None:
    def numbers() -> Iterator[Any]:
        df = {"a": [1]}
        yield session.sql("SELECT a FROM df").fetchall()
        df = {"a": [2]}
        yield session.sql("SELECT a FROM df").fetchall()

    df = {"a": [99]}
    assert df and list(numbers()) == [[(1,)], [(2,)]]


def test_comprehensions_see_the_locals_of_their_function(session: velaria.Session) -> None:
    df = {"a": [1]}
    assert [session.sql("SELECT a FROM df").fetchall() for _ in range(2)] == [[(1,)]] * 2
    assert {key: session.sql("SELECT a FROM df").fetchall() for key in "x"} == {"x": [(1,)]}
    assert [[session.sql("SELECT a FROM df").fetchall() for _ in "x"] for _ in "y"] == [[[(1,)]]]
    assert [session.sql("SELECT a FROM each").fetchall() for each in ({"a": [4]}, {"a": [5]})] == [[(4,)], [(5,)]]


def test_a_lambda_sees_its_arguments_and_globals(session: velaria.Session) -> None:
    ask = lambda df: session.sql("SELECT a FROM df").fetchall()  # noqa: E731
    assert ask({"a": [3]}) == [(3,)]


def test_a_class_body_is_a_scope(session: velaria.Session) -> None:
    current = session

    class Body:
        df = {"a": [6]}
        rows = velaria.sql("SELECT a FROM df").fetchall()

    assert current and Body.rows == [(6,)]


def test_async_functions(session: velaria.Session) -> None:
    async def ask() -> Any:
        df = {"a": [8]}
        return session.sql("SELECT a FROM df").fetchall()

    with pytest.raises(StopIteration) as done:
        ask().send(None)
    assert done.value.value == [(8,)]


def test_exec_with_globals_and_locals_of_its_own(session: velaria.Session) -> None:
    df = {"a": ["test"]}
    scope = {"session": session, "df": {"a": ["exec"]}}
    exec("rows = session.sql('SELECT a FROM df').fetchall()", scope)
    assert scope["rows"] == [("exec",)] and df
    own: Any = {"df": {"a": ["locals"]}}
    exec("rows = session.sql('SELECT a FROM df').fetchall()", scope, own)
    assert own["rows"] == [("locals",)]

    class Mapping(dict):  # type: ignore[type-arg]
        def __missing__(self, name: str) -> Any:
            raise KeyError(name)

    own = Mapping(df={"a": ["mapping"]})
    assert eval("session.sql('SELECT a FROM df').fetchall()", scope, own) == [("mapping",)]


def test_names_are_exact(session: velaria.Session) -> None:
    df = {"a": [1]}
    DF = {"a": [2]}
    assert session.sql("SELECT a FROM df").fetchall() == [(1,)]
    assert session.sql("SELECT a FROM DF").fetchall() == [(2,)]
    assert session.sql('SELECT "df".a FROM "df"').fetchall() == [(1,)]
    with not_found() as raised:
        session.sql("SELECT a FROM Df")
    assert raised.value.hint in ('did you mean "DF"?', 'did you mean "df"?') and df and DF


def test_names_of_other_alphabets(session: velaria.Session) -> None:
    größe = {"a": [1]}
    表 = {"a": [2]}
    assert session.sql("SELECT g.a, t.a AS b FROM größe AS g, 表 AS t").fetchall() == [(1, 2)]
    assert größe and 表


# What a statement does with them.


def test_tables_and_views_go_first(session: velaria.Session) -> None:
    df = {"a": ["variable"]}
    session.sql("CREATE TABLE df (a STRING)")
    assert session.sql("SELECT * FROM df").fetchall() == []
    session.sql("DROP TABLE df")
    assert session.sql("SELECT * FROM df").fetchall() == [("variable",)]
    session.create_temp_view("DF", session.sql("SELECT 'view' AS a"))
    assert session.sql("SELECT * FROM df").fetchall() == [("view",)], "an unquoted name finds the view in any case"
    assert session.sql('SELECT * FROM "df"').fetchall() == [("variable",)]


def test_names_of_with_go_first(session: velaria.Session) -> None:
    df = {"a": [1]}
    assert session.sql("WITH df AS (SELECT 2 AS a) SELECT * FROM df").fetchall() == [(2,)]
    assert session.sql("WITH DF AS (SELECT 2 AS a) SELECT * FROM df").fetchall() == [(2,)]
    assert session.sql("WITH df AS (SELECT a + 10 AS a FROM df) SELECT * FROM df").fetchall() == [(11,)]
    assert session.sql("SELECT s.a, df.a AS b FROM (WITH df AS (SELECT 2 AS a) SELECT * FROM df) AS s, df").fetchall() == [(2, 1)]
    recursive = "WITH RECURSIVE df(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM df WHERE n < 3) SELECT max(n) AS m FROM df"
    assert session.sql(recursive).fetchall() == [(3,)] and df


def test_subqueries_of_every_kind(session: velaria.Session) -> None:
    a = {"x": [1, 2, 3]}
    b = {"x": [2, 3, 4]}
    assert a and b
    for sql, expected in [
        ("SELECT x FROM a WHERE x IN (SELECT x FROM b) ORDER BY x", [(2,), (3,)]),
        ("SELECT x FROM a WHERE NOT EXISTS (SELECT 1 FROM b WHERE b.x = a.x)", [(1,)]),
        ("SELECT (SELECT max(x) FROM b) AS m", [(4,)]),
        ("SELECT a.x FROM a JOIN b ON a.x = b.x ORDER BY a.x", [(2,), (3,)]),
        ("SELECT count(*) AS n FROM a, b", [(9,)]),
        ("SELECT l.x FROM a AS l JOIN a AS r ON l.x = r.x - 2", [(1,)]),
        ("SELECT x FROM a EXCEPT SELECT x FROM b", [(1,)]),
        ("SELECT n FROM (SELECT count(*) AS n FROM (SELECT * FROM a) AS s) AS t", [(3,)]),
        ("SELECT x FROM a UNION SELECT x FROM b ORDER BY x", [(1,), (2,), (3,), (4,)]),
    ]:
        assert session.sql(sql).fetchall() == expected, sql


def test_from_alone(session: velaria.Session) -> None:
    df = {"a": [1, 2]}
    assert session.sql("from df").fetchall() == [(1,), (2,)]
    assert session.sql("FROM df WHERE a > 1").fetchall() == [(2,)]
    assert session.sql("FROM df SELECT a + 1 AS b ORDER BY b DESC LIMIT 1").fetchall() == [(3,)] and df


def test_parameters_and_variables_together(session: velaria.Session) -> None:
    df = {"a": [1, 2, 3]}
    for least in (1, 2, 3):
        assert session.sql("SELECT count(*) AS n FROM df WHERE a >= ?", [least]).fetchall() == [(4 - least,)]
    assert df


def test_statements_that_show_something(session: velaria.Session) -> None:
    df = {"a": [1, 2], "b": ["x", "y"]}
    assert [row[0] for row in session.sql("DESCRIBE df").fetchall()] == ["a", "b"]
    assert [row[0] for row in session.sql("SUMMARIZE df").fetchall()] == ["a", "b"]
    assert session.sql("EXPLAIN SELECT * FROM df").fetchall()
    assert session.sql("SHOW TABLES").fetchall() == [] and df


def test_tables_are_made_of_them_and_keep_their_rows(session: velaria.Session) -> None:
    np = need("numpy")
    values = np.array([1, 2, 3])
    df = {"a": values}
    session.sql("CREATE TABLE kept AS SELECT * FROM df")
    session.sql("CREATE TABLE filled (a BIGINT)")
    session.sql("INSERT INTO filled SELECT a FROM df")
    session.sql("INSERT INTO filled FROM df")
    session.sql("CREATE TABLE df AS SELECT * FROM df")
    values[:] = 0
    assert session.sql("SELECT sum(a) AS s FROM kept").fetchall() == [(6,)], "the memory of the array is not shared"
    assert session.sql("SELECT sum(a) AS s FROM filled").fetchall() == [(12,)]
    assert session.sql("SELECT sum(a) AS s FROM df").fetchall() == [(6,)]


def test_rows_are_changed_by_them(session: velaria.Session) -> None:
    ids = {"id": [2, 3]}
    session.sql("CREATE TABLE t (id INT, x STRING)")
    session.sql("INSERT INTO t VALUES (1, 'a'), (2, 'b'), (3, 'c')")
    assert session.sql("UPDATE t SET x = 'new' WHERE id IN (SELECT id FROM ids)").fetchall()[0][2] == 2
    assert session.sql("DELETE FROM t WHERE id = (SELECT max(id) FROM ids)").fetchall()[0][2] == 1
    assert session.sql("SELECT id, x FROM t ORDER BY id").fetchall() == [(1, "a"), (2, "new")] and ids


def test_files_are_written_from_them(session: velaria.Session, tmp_path: Any) -> None:
    df = {"a": [1, 2]}
    target = tmp_path / "out.csv"
    session.sql("COPY df TO '{}'".format(target))
    session.sql("COPY (SELECT a FROM df WHERE a > 1) TO '{}'".format(tmp_path / "some.csv"))
    assert target.read_text() == "a\n1\n2\n" and (tmp_path / "some.csv").read_text() == "a\n2\n" and df


def test_a_target_is_never_a_variable(session: velaria.Session) -> None:
    df = {"a": [1]}
    for sql in ("INSERT INTO df VALUES (1)", "UPDATE df SET a = 1", "DELETE FROM df", "DROP TABLE df", "TRUNCATE df"):
        with pytest.raises(errors.CatalogError):
            session.sql(sql)
    assert df == {"a": [1]}


def test_a_view_does_not_read_a_variable(session: velaria.Session) -> None:
    df = {"a": [1]}
    for sql in ("CREATE VIEW v AS SELECT * FROM df", "CREATE OR REPLACE VIEW v AS SELECT 1 AS x WHERE EXISTS (SELECT * FROM df)"):
        with pytest.raises(errors.Error) as raised:
            session.sql(sql)
        assert raised.value.message == "a view cannot read the variable df"
        assert raised.value.hint == "make a table of it with CREATE TABLE … AS SELECT * FROM df, or give it to create_temp_view"
    assert session.sql("SHOW TABLES").fetchall() == [] and df


def test_a_view_that_lost_its_table_does_not_find_a_variable(session: velaria.Session) -> None:
    session.sql("CREATE TABLE df (a INT)")
    session.sql("CREATE VIEW v AS SELECT * FROM df")
    session.sql("DROP TABLE df")
    df = {"a": [1]}
    for sql in ("SELECT * FROM v", "SELECT v.a FROM v JOIN df ON v.a = df.a", "SELECT a FROM df UNION ALL SELECT a FROM v"):
        with pytest.raises(errors.CatalogError, match="view v cannot be used"):
            session.sql(sql)
    assert df


def test_nothing_is_left_after_the_statement(session: velaria.Session) -> None:
    def ask() -> Any:
        df = {"a": [1]}
        return session.sql("SELECT * FROM df")

    frame = ask()
    assert session.sql("SHOW TABLES").fetchall() == []
    with not_found():
        session.sql("SELECT * FROM df")
    # The frame holds its rows; a view of it is a choice of the caller.
    assert frame.fetchall() == frame.fetchall() == [(1,)]
    session.create_temp_view("kept", frame.limit(5))
    del frame
    assert session.sql("SELECT * FROM kept").fetchall() == [(1,)]


def test_the_same_text_reads_the_variable_of_now(session: velaria.Session) -> None:
    sql = "SELECT a FROM df"
    for number in range(5):
        df: Any = {"a": [number]}
        assert session.sql(sql).fetchall() == [(number,)]
    df = {"a": ["text"], "b": [1.5]}
    assert session.sql(sql).fetchall() == [("text",)]
    session.sql("CREATE TABLE df (a INT)")
    for _ in range(2):
        assert session.sql(sql).fetchall() == [], "the table, whose plan is kept from now on"
    session.sql("DROP TABLE df")
    assert session.sql(sql).fetchall() == [("text",)]
    del df
    with not_found():
        session.sql(sql)


def test_a_changed_frame_is_seen_anew(session: velaria.Session) -> None:
    pd = need("pandas")
    need("pyarrow")
    df = pd.DataFrame({"a": [1, 2]})
    assert session.sql("SELECT sum(a) AS s FROM df").fetchall() == [(3,)]
    df.loc[0, "a"] = 10
    df["b"] = 1
    assert session.sql("SELECT sum(a) AS s, sum(b) AS t FROM df").fetchall() == [(12, 2)]


def test_threads_do_not_see_each_others_variables(session: velaria.Session) -> None:
    ready = threading.Barrier(4)

    def ask(number: int) -> List[Any]:
        df = {"a": [number] * 10}
        ready.wait()
        return [session.sql("SELECT DISTINCT a FROM df").fetchall() for _ in range(50)] if df else []

    def peek(_: int) -> int:
        ready.wait()
        missed = 0
        for _ in range(50):
            try:
                session.sql("SELECT * FROM df")
            except errors.CatalogError:
                missed += 1
        return missed

    with ThreadPoolExecutor(4) as pool:
        asked = [pool.submit(ask, number) for number in range(3)]
        peeked = pool.submit(peek, 0)
        for number, future in enumerate(asked):
            assert future.result() == [[(number,)]] * 50
        assert peeked.result() == 50


# Errors and the switch.


def test_candidates_are_listed(session: velaria.Session) -> None:
    customers = {"a": [1]}
    not_this = 3
    assert customers and not_this
    with pytest.raises(errors.CatalogError) as raised:
        session.sql("SELECT * FROM custmers")
    assert raised.value.hint == 'did you mean "customers"?'
    with pytest.raises(errors.CatalogError) as raised:
        session.sql("SELECT * FROM something_else")
    assert raised.value.hint == "variables that are tables: GLOBAL_TABLE, customers"


def test_many_candidates_are_cut(session: velaria.Session) -> None:
    scope: Any = {"session": session}
    scope.update({"table_{:02}".format(number): {"a": [1]} for number in range(20)})
    with pytest.raises(errors.CatalogError) as raised:
        exec("session.sql('SELECT * FROM x')", scope)
    names = ", ".join("table_{:02}".format(number) for number in range(8))
    assert raised.value.hint == "variables that are tables: {} and 12 more".format(names)


def test_without_variables_the_error_is_that_of_the_session() -> None:
    printed = run_code(
        "import velaria\ns = velaria.Session()\ntry:\n    s.sql('SELECT * FROM t')\nexcept velaria.Error as e:\n    print(e.hint)"
    )
    assert printed == "the session has no views or tables yet\n"


def test_the_switch_is_off() -> None:
    df = {"a": [1]}
    with velaria.Session(allow_python_scan=False) as session:
        with not_found() as raised:
            session.sql("SELECT * FROM df")
        error = raised.value
        assert error.hint == "Python variables are not read: allow_python_scan is False"
        session.sql("CREATE TABLE dfs (a INT)")
        with pytest.raises(errors.CatalogError) as raised:
            session.sql("SELECT * FROM dfx")
        assert raised.value.hint == 'did you mean "dfs"?; Python variables are not read: allow_python_scan is False'
        session.create_temp_view("df", session.create_dataframe_from_arrow(df))
        assert session.sql("SELECT * FROM df").fetchall() == [(1,)]


def test_a_read_only_session_reads_variables() -> None:
    df = {"a": [1]}
    with velaria.Session(read_only=True) as session:
        assert session.sql("SELECT * FROM df").fetchall() == [(1,)]
        with pytest.raises(PermissionError):
            session.sql("CREATE TABLE t AS SELECT * FROM df")
    assert df


# What it costs.


def test_a_thousand_statements_keep_nothing(session: velaria.Session) -> None:
    pa = need("pyarrow")
    whole = pa.table({"a": list(range(1000))})
    columns_ = {"a": [1, 2, 3]}
    session.sql("SELECT count(*) AS n FROM whole, columns_").fetchall()
    gc.collect()
    before = (sys.getrefcount(whole), sys.getrefcount(columns_), pa.total_allocated_bytes())
    for _ in range(1000):
        assert session.sql("SELECT count(*) AS n FROM whole, columns_").fetchall() == [(3000,)]
        with pytest.raises(errors.CatalogError):
            session.sql("SELECT * FROM missing_table")
    gc.collect()
    after = (sys.getrefcount(whole), sys.getrefcount(columns_), pa.total_allocated_bytes())
    assert after == before


def test_the_answer_of_a_command_keeps_no_variable(session: velaria.Session) -> None:
    np = need("numpy")

    class Watched(np.ndarray):  # type: ignore[misc, name-defined]
        pass

    gone: List[int] = []

    def make() -> velaria.DataFrame:
        vectors = np.arange(4).reshape(2, 2).view(Watched)
        weakref.finalize(vectors, gone.append, 1)
        return session.sql("CREATE TABLE t AS SELECT * FROM vectors")

    answer = make()
    gc.collect()
    assert gone == [1] and answer.fetchall()[0][0] == 1


# The function of the module.


def test_the_function_has_a_session_of_its_own() -> None:
    assert velaria.sql("select 1 a").fetchall() == [(1,)]
    assert velaria.sql("SELECT ? AS a", [2]).fetchall() == [(2,)]
    df = {"a": [3]}
    assert velaria.sql("from df").fetchall() == [(3,)]
    velaria.sql("CREATE TABLE only_in_the_default_session (a INT)")
    try:
        assert velaria.sql("SELECT count(*) AS n FROM only_in_the_default_session").fetchall() == [(0,)]
        with velaria.Session() as session:
            with not_found() as raised:
                session.sql("SELECT * FROM only_in_the_default_session")
            assert "variables that are tables" in str(raised.value.hint) and df
    finally:
        velaria.sql("DROP TABLE only_in_the_default_session")


def test_the_function_looks_at_its_caller_and_not_further() -> None:
    def inner() -> Any:
        return velaria.sql("SELECT * FROM hidden")

    def outer(ask: Callable[[], Any]) -> Any:
        hidden = {"a": [1]}
        return ask()

    with pytest.raises(errors.CatalogError):
        outer(inner)


def test_an_interpreter_without_anything_else() -> None:
    assert run_code("import velaria\ndf = {'a': [1]}\nprint(velaria.sql('from df').fetchall())") == "[(1,)]\n"

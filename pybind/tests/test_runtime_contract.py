"""The clauses of docs/runtime-contract.md that only a program in Python can prove; each test names its clauses."""

import os
import signal
import threading

import pytest

import velaria
from velaria import errors

pa = pytest.importorskip("pyarrow")


@pytest.fixture
def session():
    with velaria.Session() as session:
        yield session


def table_of(session, *values):
    """A table `t` with one column `x`."""
    session.sql("CREATE TABLE t (x INT)")
    if values:
        session.sql("INSERT INTO t VALUES " + ", ".join(f"({value})" for value in values))


def test_two_sessions_never_see_each_others_names(session):
    # RC-SESSION-1, RC-SESSION-2
    table_of(session, 1)
    with velaria.Session() as other:
        with pytest.raises(errors.CatalogError) as raised:
            other.sql("SELECT * FROM t")
        assert raised.value.hint == "the session has no views or tables yet"
        table_of(other, 7)
        assert other.sql("SELECT x FROM t").fetchall() == [(7,)]
    assert session.sql("SELECT x FROM t").fetchall() == [(1,)]


def test_a_view_replaces_what_had_its_name(session):
    # RC-SESSION-3
    table_of(session, 1)
    session.create_temp_view("t", session.sql("SELECT 'new' AS y"))
    assert session.sql("SELECT * FROM t").fetchall() == [("new",)]


def test_frames_outlive_their_closed_session():
    # RC-SESSION-5
    session = velaria.Session()
    table_of(session, 1, 2)
    frame = session.sql("SELECT x FROM t ORDER BY x")
    session.close()
    with pytest.raises(errors.UsageError) as raised:
        session.sql("SELECT 1")
    assert raised.value.code == "VEL-7002"
    assert frame.fetchall() == [(1,), (2,)]


def test_planning_schema_and_explain_run_nothing(session):
    # RC-FRAME-1, RC-FRAME-2, RC-EXPLAIN-5
    table_of(session, 0)
    frame = session.sql("SELECT 1 / x AS y FROM t")
    assert frame.columns == ["y"]
    assert pa.schema(frame) == pa.schema([("y", pa.int64())])
    assert frame.explain().startswith("logical\n")
    with pytest.raises(errors.DataError) as raised:
        frame.fetchall()
    assert raised.value.code == "VEL-5005"


def test_names_and_types_are_checked_when_the_statement_is_planned(session):
    # RC-FRAME-1
    table_of(session)
    with pytest.raises(errors.PlanError):
        session.sql("SELECT nope FROM t")


def test_a_frame_runs_again_each_time_it_is_asked(session):
    # RC-FRAME-3, RC-FRAME-5
    table_of(session, 1)
    frame = session.sql("SELECT COUNT(*) AS n FROM t")
    session.create_temp_view("counted", frame)
    assert frame.fetchall() == [(1,)]
    session.sql("INSERT INTO t VALUES (2)")
    assert frame.fetchall() == [(2,)]
    assert session.sql("SELECT n FROM counted").fetchall() == [(2,)]


def test_a_limit_does_not_read_the_whole_file(session, tmp_path):
    # RC-FRAME-4: a record far behind the first rows is wrong, which only reading that far can notice.
    path = tmp_path / "late.csv"
    path.write_text("a\n" + "1\n" * 200_000 + "not a number\n")
    frame = session.read_csv(path, on_type_error="error")
    assert frame.limit(2).fetchall() == [(1,), (1,)]
    with pytest.raises(errors.DataError) as raised:
        frame.fetchall()
    assert raised.value.code == "VEL-5003"
    assert "late.csv:200002: " in raised.value.message


def test_every_kind_of_error_is_one_class_and_a_runtime_error(session):
    # RC-ERR-1, RC-ERR-7
    table_of(session, 0)
    cases = [
        ("SELEC 1", errors.UnsupportedError, NotImplementedError),
        ("SELECT (1", errors.ParseError, ValueError),
        ("SELECT nope FROM t", errors.PlanError, ValueError),
        ("SELECT * FROM nope", errors.CatalogError, LookupError),
        ("INSERT INTO t VALUES ('x')", errors.DataError, ValueError),
    ]
    for text, kind, builtin in cases:
        with pytest.raises(kind) as raised:
            session.sql(text)
        assert isinstance(raised.value, RuntimeError) and isinstance(raised.value, builtin), text
        assert isinstance(raised.value, errors.Error)
        assert str(raised.value).startswith(f"{raised.value.message} [{raised.value.code}]")
    with pytest.raises(errors.FileMissingError) as raised:
        session.read_csv("no such file.csv")
    assert isinstance(raised.value, FileNotFoundError) and isinstance(raised.value, RuntimeError)


def test_a_stream_is_made_anew_for_each_consumer(session):
    # RC-ARROW-1
    frame = session.sql("SELECT 1 AS a UNION ALL SELECT 2 ORDER BY a")
    assert pa.table(frame).to_pydict() == {"a": [1, 2]}
    assert pa.table(frame).to_pydict() == {"a": [1, 2]}


def test_a_table_without_rows_keeps_its_columns_both_ways(session):
    # RC-ARROW-2
    schema = pa.schema([("a", pa.int32()), ("b", pa.string()), ("at", pa.timestamp("us", tz="UTC"))])
    frame = session.create_dataframe_from_arrow(schema.empty_table())
    session.create_temp_view("empty", frame)
    result = pa.table(session.sql("SELECT * FROM empty"))
    assert result.num_rows == 0
    assert result.schema == schema


def test_dictionary_columns_come_in_as_their_values(session):
    # RC-ARROW-3
    column = pa.array(["x", "y", None, "x"]).dictionary_encode()
    frame = session.create_dataframe_from_arrow(pa.table({"c": column}))
    assert frame.fetchall() == [("x",), ("y",), (None,), ("x",)]


def test_text_leaves_as_plain_strings(session):
    # RC-ARROW-4
    frame = session.create_dataframe_from_arrow(pa.table({"s": pa.array(["a"], pa.string_view())}))
    session.create_temp_view("v", frame)
    assert pa.schema(session.sql("SELECT s, UPPER(s) AS u FROM v")) == pa.schema([("s", pa.string()), ("u", pa.string())])


def test_arrow_data_is_what_it_says_or_an_error(session):
    # RC-ARROW-5
    codes = pa.array([0, 7], pa.int8())
    wrong = pa.DictionaryArray.from_arrays(codes, pa.array(["x"]), safe=False)
    with pytest.raises(errors.DataError) as raised:
        session.create_dataframe_from_arrow(pa.table({"c": wrong}))
    assert raised.value.code == "VEL-5009"


def test_a_stream_that_is_pulled_gives_its_rows_once(session):
    # RC-ARROW-6
    frame = session.read_arrow_stream(pa.table({"a": [1, 2]}).to_reader())
    assert frame.fetchall() == [(1,), (2,)]
    with pytest.raises(errors.DataError) as raised:
        frame.fetchall()
    assert raised.value.code == "VEL-5009"


@pytest.mark.skipif(os.name != "posix", reason="the test sends a signal to its own process")
def test_ctrl_c_ends_a_query_and_not_the_session(session):
    # RC-RUN-1
    session.sql("CREATE TABLE d AS SELECT column1 AS x FROM (VALUES (0), (1), (2), (3), (4), (5), (6), (7), (8), (9))")
    session.sql("CREATE TABLE k AS SELECT a.x FROM d AS a, d AS b, d AS c, d AS e")
    frame = session.sql("SELECT COUNT(*) FROM k AS a, k AS b, k AS c WHERE a.x + b.x + c.x = 1000")
    timer = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        frame.fetchall()
    timer.join()
    assert session.sql("SELECT 1").fetchall() == [(1,)]


def test_codes_that_only_python_meets(session):
    # RC-ERR-1: VEL-5009, VEL-5010, VEL-6003
    with pytest.raises(errors.DataError) as raised:
        session.create_dataframe_from_arrow(pa.array([1, 2]))
    assert raised.value.code == "VEL-5009"
    with pytest.raises(errors.DataError) as raised:
        session.sql("SELECT CAST('2026-01-01 00:00:00.000000001' AS TIMESTAMP(9)) AS at").fetchall()
    assert raised.value.code == "VEL-5010"
    with pytest.raises(errors.IoError) as raised:
        session.read_csv("x" * 5000)
    assert raised.value.code == "VEL-6003"
    assert isinstance(raised.value, OSError)

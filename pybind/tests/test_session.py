"""``velaria.Session``: files in, statements, views, and its life."""

import gc
import pathlib
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Callable, List, Tuple

import pytest

import velaria
from support import DATA, need
from velaria import errors

Rows = Callable[[str], List[Tuple[Any, ...]]]


def test_two_sessions_do_not_see_each_others_views() -> None:
    first, second = velaria.Session(), velaria.Session()
    first.create_temp_view("t", first.sql("SELECT 1 AS a"))
    second.create_temp_view("t", second.sql("SELECT 2 AS b"))
    assert first.sql("SELECT * FROM t").to_rows() == {"schema": ["a"], "rows": [[1]]}
    assert second.sql("SELECT * FROM t").to_rows() == {"schema": ["b"], "rows": [[2]]}


def test_two_sessions_do_not_see_each_others_tables() -> None:
    first, second = velaria.Session(), velaria.Session()
    first.sql("CREATE TABLE t (id INT)")
    with pytest.raises(errors.CatalogError, match="t"):
        second.sql("SELECT * FROM t")


def test_frame_of_one_session_is_a_view_in_another() -> None:
    first, second = velaria.Session(), velaria.Session()
    second.create_temp_view("t", first.sql("SELECT 1 AS a"))
    assert second.sql("SELECT a FROM t").fetchall() == [(1,)]


def test_temp_view_replaces_the_one_of_its_name(session: velaria.Session, rows: Rows) -> None:
    session.create_temp_view("t", session.sql("SELECT 1 AS a"))
    before = session.sql("SELECT * FROM t")
    session.create_temp_view("t", session.sql("SELECT 2 AS b, 3 AS c"))
    assert rows("SELECT * FROM t") == [(2, 3)]
    assert before.fetchall() == [(1,)], "a frame keeps the view that it was planned on"


def test_view_over_a_view_survives_its_replacement(session: velaria.Session, rows: Rows) -> None:
    session.create_temp_view("t", session.sql("SELECT 1 AS a"))
    session.create_temp_view("t", session.sql("SELECT a + 1 AS a FROM t"))
    assert rows("SELECT a FROM t") == [(2,)]


def test_temp_view_of_something_else_is_refused(session: velaria.Session) -> None:
    for wrong in (None, 3, "SELECT 1", {"a": [1]}):
        with pytest.raises(TypeError, match="create_temp_view expects a DataFrame or StreamingDataFrame"):
            session.create_temp_view("t", wrong)  # type: ignore[arg-type]


def test_temp_view_needs_a_name(session: velaria.Session) -> None:
    with pytest.raises(errors.UsageError) as raised:
        session.create_temp_view("", session.sql("SELECT 1 AS a"))
    assert raised.value.code == "VEL-7001"


def test_view_name_needs_no_quotes_in_python(session: velaria.Session, rows: Rows) -> None:
    session.create_temp_view("a b", session.sql("SELECT 1 AS a"))
    assert rows('SELECT a FROM "a b"') == [(1,)]


def test_closed_session_refuses_everything() -> None:
    session = velaria.Session()
    frame = session.sql("SELECT 1 AS a")
    session.close()
    calls: List[Callable[[], Any]] = [
        lambda: session.sql("SELECT 1"),
        lambda: session.read_csv(DATA / "airlines.csv"),
        lambda: session.read_parquet(DATA / "ledger.parquet"),
        lambda: session.read_json(DATA / "events.ndjson"),
        lambda: session.create_dataframe_from_arrow({"a": [1]}),
        lambda: session.create_temp_view("t", frame),
    ]
    for call in calls:
        with pytest.raises(errors.UsageError) as raised:
            call()
        assert raised.value.code == "VEL-7002"


def test_closing_twice_is_allowed() -> None:
    session = velaria.Session()
    session.close()
    session.close()
    assert repr(session) == "<velaria.Session (closed)>"


def test_frame_outlives_its_session() -> None:
    session = velaria.Session()
    session.sql("CREATE TABLE t (id INT)")
    session.sql("INSERT INTO t VALUES (1), (2)")
    frame = session.sql("SELECT SUM(id) AS total FROM t")
    session.close()
    del session
    gc.collect()
    assert frame.fetchall() == [(3,)]


def test_with_block_closes_the_session() -> None:
    with velaria.Session() as session:
        assert repr(session) == "<velaria.Session>"
        assert session.sql("SELECT 1 AS a").fetchall() == [(1,)]
    with pytest.raises(errors.InterfaceError, match="the session is closed"):
        session.sql("SELECT 1")


def test_with_block_passes_an_exception_on() -> None:
    with pytest.raises(ZeroDivisionError):
        with velaria.Session() as session:
            raise ZeroDivisionError
    assert repr(session) == "<velaria.Session (closed)>"


def test_statements_return_what_they_did(session: velaria.Session, rows: Rows) -> None:
    names = ["ok", "message", "affected_rows"]
    assert session.sql("CREATE TABLE t (id INT, name STRING)").to_rows() == {"schema": names, "rows": [[1, "create table done", 0]]}
    assert session.sql("INSERT INTO t VALUES (1, 'a'), (2, NULL)").to_rows() == {"schema": names, "rows": [[1, "insert done", 2]]}
    assert rows("SELECT * FROM t ORDER BY id") == [(1, "a"), (2, None)]
    assert session.sql("DROP TABLE t").to_rows()["schema"] == names


def test_a_statement_runs_once_however_often_its_frame_is_read(session: velaria.Session, rows: Rows) -> None:
    session.sql("CREATE TABLE t (id INT)")
    done = session.sql("INSERT INTO t VALUES (1)")
    assert done.fetchall() == done.fetchall() == [(1, "insert done", 1)]
    assert rows("SELECT COUNT(*) FROM t") == [(1,)]


def test_csv_columns_are_typed(session: velaria.Session) -> None:
    frame = session.read_csv(str(DATA / "employees.csv"))
    assert list(zip(frame.schema.names, frame.schema.types)) == [
        ("id", "Int64"),
        ("name", "Utf8"),
        ("dept", "Utf8"),
        ("salary", "Float64"),
        ("hired", "Date32"),
    ]
    assert frame.count() == 8


def test_parquet_keeps_its_types(session: velaria.Session, rows: Rows) -> None:
    session.create_temp_view("ledger", session.read_parquet(DATA / "ledger.parquet"))
    import datetime
    import decimal

    assert rows("SELECT amount, at, day, paid, payload, tags FROM ledger WHERE id = 1") == [
        (decimal.Decimal("10.50"), datetime.datetime(2026, 3, 29, 10), datetime.date(2026, 3, 29), True, b"\x00\xff", ["a", "b"])
    ]


def test_json_lines_become_lists_and_structs(session: velaria.Session, rows: Rows) -> None:
    session.create_temp_view("events", session.read_json(DATA / "events.ndjson"))
    assert rows('SELECT kind, value, ok, tags, "user" FROM events WHERE id = 1') == [
        ("click", 1.5, True, ["a", "b"], {"id": 7, "name": "ada"})
    ]


@pytest.mark.parametrize("spell", [str, pathlib.Path, pathlib.PurePath], ids=["str", "Path", "PurePath"])
def test_paths_may_be_text_or_pathlib(session: velaria.Session, spell: Callable[[pathlib.Path], Any]) -> None:
    assert session.read_csv(spell(DATA / "airlines.csv")).count() == 16
    assert session.read_parquet(spell(DATA / "ledger.parquet")).count() == 4
    assert session.read_json(spell(DATA / "events.ndjson")).count() == 5


def test_paths_may_hold_spaces_and_any_letters(session: velaria.Session, tmp_path: pathlib.Path) -> None:
    path = tmp_path / "a b" / "größe 100% #1?*[x].csv"
    path.parent.mkdir()
    path.write_text("a\n1\n", encoding="utf-8")
    assert session.read_csv(path).fetchall() == [(1,)]


def test_relative_paths_start_at_the_working_directory(
    session: velaria.Session, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "t.csv").write_text("a\n1\n")
    monkeypatch.chdir(tmp_path)
    frame = session.read_csv("t.csv")
    monkeypatch.chdir("/")
    assert frame.fetchall() == [(1,)], "the path was resolved when the frame was made"


@pytest.mark.parametrize("delimiter", [";", "\t", "|"])
def test_delimiter_can_be_chosen(session: velaria.Session, tmp_path: pathlib.Path, delimiter: str) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a{0}b\n1{0}x,y\n".format(delimiter))
    assert session.read_csv(path, delimiter=delimiter).fetchall() == [(1, "x,y")]
    assert session.read_csv(path, delimiter).fetchall() == [(1, "x,y")]


@pytest.mark.parametrize("delimiter", ["", ";;", "é", '"', "\n"])
def test_delimiter_is_one_ascii_character(session: velaria.Session, delimiter: str) -> None:
    with pytest.raises(errors.UsageError, match="delimiter must be a single character") as raised:
        session.read_csv(DATA / "airlines.csv", delimiter=delimiter)
    assert raised.value.code == "VEL-7001"
    assert raised.value.hint


def test_delimiter_of_another_type_is_a_type_error(session: velaria.Session) -> None:
    with pytest.raises(TypeError):
        session.read_csv(DATA / "airlines.csv", delimiter=44)  # type: ignore[arg-type]


def test_missing_file_is_refused_when_it_is_named(session: velaria.Session) -> None:
    for read in (session.read_csv, session.read_parquet, session.read_json):
        with pytest.raises(FileNotFoundError, match="nowhere"):
            read("/nowhere/at/all")


def test_limit_does_not_read_a_large_file_to_its_end(session: velaria.Session, tmp_path: pathlib.Path) -> None:
    path = tmp_path / "t.csv"
    with path.open("w") as out:
        out.write("a,b\n")
        out.write("1,2\n" * 2_000_000)
        # Whoever reads so far meets a record with one field too many.
        out.write("1,2,3\n")
    assert session.read_csv(path).limit(2).fetchall() == [(1, 2), (1, 2)]
    with pytest.raises(errors.DataError) as raised:
        session.read_csv(path).count()
    assert raised.value.code == "VEL-5001"


def test_eight_threads_on_one_session_get_equal_results(session: velaria.Session) -> None:
    session.create_temp_view("flights", session.read_csv(DATA / "flights_jan.csv"))
    query = "SELECT carrier, COUNT(*) AS n, SUM(distance) AS miles FROM flights WHERE month = 1 GROUP BY carrier ORDER BY carrier"
    expected = session.sql(query).fetchall()
    start = threading.Barrier(8)

    def work(_: int) -> List[Any]:
        start.wait()
        return [session.sql(query).fetchall() for _ in range(50)]

    with ThreadPoolExecutor(8) as pool:
        results = [result for results in pool.map(work, range(8)) for result in results]
    assert len(results) == 400
    assert all(result == expected for result in results)


def test_eight_threads_insert_into_one_table(session: velaria.Session, rows: Rows) -> None:
    session.sql("CREATE TABLE t (id INT)")
    start = threading.Barrier(8)

    def work(thread: int) -> None:
        start.wait()
        for number in range(25):
            session.sql("INSERT INTO t VALUES ({})".format(thread * 25 + number))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    assert rows("SELECT COUNT(*), COUNT(DISTINCT id), MAX(id) FROM t") == [(200, 200, 199)]


def test_views_are_replaced_while_other_threads_read(session: velaria.Session) -> None:
    session.create_temp_view("t", session.sql("SELECT 0 AS a"))
    done = threading.Event()

    def replace() -> None:
        for number in range(100):
            session.create_temp_view("t", session.sql("SELECT {} AS a".format(number)))
        done.set()

    def read() -> None:
        seen = 0
        while not done.is_set():
            ((value,),) = session.sql("SELECT a FROM t").fetchall()
            assert value >= seen
            seen = value

    with ThreadPoolExecutor(4) as pool:
        for future in [pool.submit(replace)] + [pool.submit(read) for _ in range(3)]:
            future.result()


def test_one_frame_is_read_by_many_threads(people: velaria.DataFrame) -> None:
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda _: people.fetchall(), range(100)))
    assert all(result == results[0] for result in results)


def test_session_takes_no_arguments() -> None:
    with pytest.raises(TypeError):
        velaria.Session(1)  # type: ignore[call-arg]


def test_text_of_a_statement_must_be_text(session: velaria.Session) -> None:
    for wrong in (None, 1, b"SELECT 1"):
        with pytest.raises(TypeError):
            session.sql(wrong)  # type: ignore[arg-type]


def test_sum_over_arrow_rows_matches_pyarrow(session: velaria.Session, rows: Rows) -> None:
    pa = need("pyarrow")
    values = list(range(100_000))
    session.create_temp_view("t", session.create_dataframe_from_arrow(pa.table({"k": [v % 7 for v in values], "v": values})))
    expected = [(key, sum(v for v in values if v % 7 == key)) for key in range(7)]
    assert rows("SELECT k, SUM(v) FROM t GROUP BY k ORDER BY k") == expected

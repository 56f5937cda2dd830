"""The Python database API: what PEP 249 asks for, and what programs that use it meet."""

import decimal
import threading
import time
from typing import Any, Iterator, List

import pytest

import velaria
from support import need
from velaria import dbapi, errors


@pytest.fixture
def connection() -> Iterator[dbapi.Connection]:
    with dbapi.connect() as opened:
        yield opened


@pytest.fixture
def cursor(connection: dbapi.Connection) -> Iterator[dbapi.Cursor]:
    with connection.cursor() as opened:
        opened.execute("CREATE TABLE booze (name STRING, price BIGINT)")
        yield opened


SAMPLES = ["Carlton Cold", "Carlton Draft", "Mountain Goat", "Redback", "Victoria Bitter", "XXXX"]


def fill(cursor: dbapi.Cursor) -> None:
    cursor.executemany("INSERT INTO booze VALUES (?, ?)", [(name, price) for price, name in enumerate(SAMPLES)])


def test_the_module_says_what_it_is() -> None:
    assert (dbapi.apilevel, dbapi.threadsafety, dbapi.paramstyle) == ("2.0", 2, "qmark")
    assert velaria.dbapi is dbapi
    assert all(hasattr(dbapi, name) for name in dbapi.__all__)


def test_the_exceptions_are_those_of_the_engine_in_the_tree_of_the_standard() -> None:
    assert dbapi.Error is velaria.Error and dbapi.DataError is errors.DataError
    assert issubclass(dbapi.Warning, Exception) and issubclass(dbapi.Error, Exception)
    for kind in (dbapi.InterfaceError, dbapi.DatabaseError):
        assert issubclass(kind, dbapi.Error)
    for name in ("DataError", "OperationalError", "IntegrityError", "InternalError", "ProgrammingError", "NotSupportedError"):
        assert issubclass(getattr(dbapi, name), dbapi.DatabaseError)
        assert getattr(dbapi.Connection, name) is getattr(dbapi, name)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("SELEC 1", dbapi.ProgrammingError),
        ("SELECT missing", dbapi.ProgrammingError),
        ("SELECT * FROM missing", dbapi.ProgrammingError),
        ("SELECT CAST(v AS BIGINT) AS n FROM (VALUES ('x')) AS t(v)", dbapi.DataError),
        ("SELECT * FROM 'missing.csv'", dbapi.OperationalError),
        ("GRANT ALL ON t TO u", dbapi.NotSupportedError),
        ("SELECT ?", dbapi.InterfaceError),
        ("", dbapi.ProgrammingError),
    ],
)
def test_errors_come_from_execute_with_the_kind_of_the_standard(cursor: dbapi.Cursor, text: str, kind: Any) -> None:
    with pytest.raises(kind):
        cursor.execute(text)
    assert cursor.description is None
    assert cursor.execute("SELECT 1 AS a").fetchall() == [(1,)]


def test_description_and_rowcount(cursor: dbapi.Cursor) -> None:
    assert cursor.description is None
    assert cursor.rowcount == 0
    cursor.execute("INSERT INTO booze VALUES ('Redback', 5), ('XXXX', 4)")
    assert (cursor.description, cursor.rowcount, cursor.rownumber) == (None, 2, None)
    cursor.execute("SELECT name, price, CAST(1.5 AS DECIMAL(10, 2)) AS d FROM booze")
    assert cursor.description is not None and all(len(column) == 7 for column in cursor.description)
    assert [column[0] for column in cursor.description] == ["name", "price", "d"]
    assert cursor.description[0][1] == dbapi.STRING and cursor.description[1][1] == dbapi.NUMBER
    assert cursor.description[0][1] != dbapi.NUMBER
    assert cursor.description[2][4:6] == (10, 2)
    assert cursor.rowcount == -1
    cursor.fetchall()
    assert (cursor.rowcount, cursor.rownumber, cursor.lastrowid) == (2, 2, None)
    cursor.execute("UPDATE booze SET price = 1 WHERE price > 4")
    assert cursor.rowcount == 1
    cursor.execute("DELETE FROM booze")
    assert cursor.rowcount == 2


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("1", "NUMBER"),
        ("CAST(1 AS TINYINT)", "NUMBER"),
        ("1.5e0", "NUMBER"),
        ("1.5", "NUMBER"),
        ("TRUE", "NUMBER"),
        ("'a'", "STRING"),
        ("X'00ff'", "BINARY"),
        ("DATE '2026-01-02'", "DATETIME"),
        ("TIMESTAMP '2026-01-02 03:04:05'", "DATETIME"),
        ("TIME '03:04:05'", "DATETIME"),
    ],
)
def test_type_codes(cursor: dbapi.Cursor, value: str, kind: str) -> None:
    cursor.execute("SELECT {} AS v".format(value))
    assert cursor.description is not None
    for name in ("STRING", "BINARY", "NUMBER", "DATETIME", "ROWID"):
        assert (cursor.description[0][1] == getattr(dbapi, name)) == (name == kind), name


def test_fetching(cursor: dbapi.Cursor) -> None:
    fill(cursor)
    cursor.execute("SELECT name FROM booze ORDER BY name")
    assert cursor.fetchone() == ("Carlton Cold",)
    assert cursor.rownumber == 1
    assert cursor.fetchmany() == [("Carlton Draft",)]
    cursor.arraysize = 2
    assert cursor.fetchmany() == [("Mountain Goat",), ("Redback",)]
    assert cursor.fetchmany(0) == []
    assert cursor.fetchmany(10) == [("Victoria Bitter",), ("XXXX",)]
    assert (cursor.fetchone(), cursor.fetchmany(3), cursor.fetchall()) == (None, [], [])
    cursor.execute("SELECT name FROM booze ORDER BY name")
    assert list(cursor) == [(name,) for name in SAMPLES]
    with pytest.raises(dbapi.Error):
        cursor.fetchmany(-1)


def test_fetching_without_a_query_is_an_error(cursor: dbapi.Cursor) -> None:
    for fetch in (cursor.fetchone, cursor.fetchmany, cursor.fetchall, lambda: next(cursor)):
        with pytest.raises(dbapi.Error):
            fetch()
    cursor.execute("INSERT INTO booze VALUES ('a', 1)")
    with pytest.raises(dbapi.ProgrammingError):
        cursor.fetchone()


def test_a_query_without_rows_has_a_description(cursor: dbapi.Cursor) -> None:
    cursor.execute("SELECT name FROM booze")
    assert cursor.description is not None
    assert (cursor.fetchone(), cursor.rowcount) == (None, 0)


def test_parameters(cursor: dbapi.Cursor) -> None:
    fill(cursor)
    hostile = "x'); DROP TABLE booze; --"
    cursor.execute("INSERT INTO booze VALUES (?, ?)", (hostile, 7))
    for text, parameters in (
        ("SELECT price FROM booze WHERE name = ?", [hostile]),
        ("SELECT price FROM booze WHERE name = $1", (hostile,)),
        ("SELECT price FROM booze WHERE name = :name", {"name": hostile}),
        ("SELECT price FROM booze WHERE name = ?", iter([hostile])),
    ):
        assert cursor.execute(text, parameters).fetchall() == [(7,)]  # type: ignore[arg-type]
    for wrong in ("text", 3):
        with pytest.raises(dbapi.Error):
            cursor.execute("SELECT ?", wrong)  # type: ignore[arg-type]
    with pytest.raises(dbapi.Error):
        cursor.execute("SELECT ? AS a, ? AS b", [1])


def test_executemany_adds_up_and_keeps_what_was_done(cursor: dbapi.Cursor) -> None:
    cursor.executemany("INSERT INTO booze VALUES (:name, :price)", ({"name": name, "price": 1} for name in SAMPLES))
    assert (cursor.rowcount, cursor.description) == (len(SAMPLES), None)
    cursor.executemany("INSERT INTO booze VALUES (?, ?)", [])
    assert cursor.rowcount == 0
    with pytest.raises(dbapi.Error):
        cursor.executemany("INSERT INTO booze VALUES (?, ?)", [("a", 1), ("b",)])
    with pytest.raises(dbapi.ProgrammingError):
        cursor.executemany("SELECT ? AS a", [(1,)])
    assert cursor.execute("SELECT COUNT(*) AS n FROM booze").fetchone() == (len(SAMPLES) + 1,)


def test_values_come_and_go_with_their_types(cursor: dbapi.Cursor) -> None:
    values = [
        1,
        1.5,
        "text",
        b"\x00\xff",
        True,
        decimal.Decimal("1.50"),
        dbapi.Date(2026, 1, 2),
        dbapi.Time(3, 4, 5),
        dbapi.Timestamp(2026, 1, 2, 3, 4, 5),
        dbapi.Binary(b"abc"),
    ]
    names = ", ".join("? AS c{}".format(number) for number in range(len(values)))
    assert cursor.execute("SELECT {}".format(names), values).fetchone() == tuple(values)
    assert cursor.execute("SELECT CAST(? AS BIGINT) AS v", [None]).fetchone() == (None,)


def test_ticks_are_local_times() -> None:
    ticks = time.mktime((2026, 1, 2, 3, 4, 5, 0, 0, -1))
    assert dbapi.DateFromTicks(ticks) == dbapi.Date(2026, 1, 2)
    assert dbapi.TimeFromTicks(ticks) == dbapi.Time(3, 4, 5)
    assert dbapi.TimestampFromTicks(ticks) == dbapi.Timestamp(2026, 1, 2, 3, 4, 5)


def test_what_is_closed_cannot_be_used(connection: dbapi.Connection) -> None:
    cursor = connection.cursor()
    other = connection.cursor()
    other.execute("SELECT 1 AS a")
    other.close()
    for use in (other.fetchall, lambda: other.execute("SELECT 1")):
        with pytest.raises(dbapi.InterfaceError) as caught:
            use()
        assert caught.value.code == "VEL-7002"
    connection.close()
    connection.close()
    for use in (connection.cursor, connection.commit, connection.rollback, lambda: cursor.execute("SELECT 1"), connection.__enter__):
        with pytest.raises(dbapi.InterfaceError):
            use()


def test_changes_cannot_be_rolled_back(cursor: dbapi.Cursor) -> None:
    connection = cursor.connection
    connection.commit()
    connection.rollback()
    with pytest.raises(dbapi.ProgrammingError):
        cursor.execute("SELECT missing")
    connection.rollback()
    fill(cursor)
    with pytest.raises(dbapi.NotSupportedError):
        connection.rollback()
    connection.commit()
    connection.rollback()


def test_a_connection_to_a_session_leaves_it_open(session: velaria.Session) -> None:
    session.sql("CREATE TABLE t (a BIGINT)")
    with dbapi.connect(session=session) as connection:
        assert connection.session is session
        assert connection.cursor().execute("INSERT INTO t VALUES (1)").rowcount == 1
    assert session.sql("SELECT a FROM t").fetchall() == [(1,)]
    with pytest.raises(dbapi.InterfaceError):
        dbapi.connect(session=session, threads=2)
    with pytest.raises(dbapi.InterfaceError):
        dbapi.connect("file.db")


def test_variables_of_python_are_not_read(cursor: dbapi.Cursor) -> None:
    rows = {"a": [1]}
    assert rows
    for name in ("rows", "operation", "parameters", "self", "frame", "datetime"):
        with pytest.raises(dbapi.ProgrammingError):
            cursor.execute("SELECT * FROM {}".format(name), {})


def test_rows_are_made_while_they_are_fetched(connection: dbapi.Connection) -> None:
    cursor = connection.cursor().execute("SELECT v FROM range(1000000000000) AS r(v)")
    assert len(cursor.fetchmany(100000)) == 100000
    cursor.close()


def test_no_row_is_lost_or_given_twice(connection: dbapi.Connection) -> None:
    cursor = connection.cursor().execute("SELECT v FROM range(100000) AS r(v)")
    found: List[int] = []
    size = 1
    while True:
        rows = cursor.fetchmany(size)
        found.extend(value for value, in rows)
        if len(rows) < size:
            break
        size = size * 3 % 10007 + 1
    assert sorted(found) == list(range(100000))
    assert cursor.rowcount == 100000


def test_a_cursor_may_change_what_another_one_reads(cursor: dbapi.Cursor) -> None:
    fill(cursor)
    reading = cursor.connection.cursor().execute("SELECT name FROM booze")
    cursor.execute("DELETE FROM booze")
    assert sorted(reading.fetchall()) == [(name,) for name in SAMPLES]


def test_threads_share_a_connection(connection: dbapi.Connection) -> None:
    found: List[Any] = []

    def work(number: int) -> None:
        cursor = connection.cursor()
        for _ in range(20):
            found.append(cursor.execute("SELECT ? + 0 AS n", [number]).fetchone() == (number,))

    threads = [threading.Thread(target=work, args=[number]) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [True] * 320


def test_what_there_is_not_is_said(cursor: dbapi.Cursor) -> None:
    for use in (cursor.nextset, lambda: cursor.callproc("p")):
        with pytest.raises(dbapi.NotSupportedError):
            use()
    cursor.setinputsizes([None])
    cursor.setoutputsize(10)


@pytest.mark.filterwarnings("ignore:pandas only supports SQLAlchemy")
def test_pandas_reads_by_a_connection(cursor: dbapi.Cursor) -> None:
    pandas = need("pandas")
    fill(cursor)
    frame = pandas.read_sql("SELECT name, price FROM booze WHERE price > ? ORDER BY price", cursor.connection, params=[3])
    assert frame.to_dict("list") == {"name": SAMPLES[4:], "price": [4, 5]}
    chunks = list(pandas.read_sql("SELECT price FROM booze ORDER BY price", cursor.connection, chunksize=4))
    assert [len(chunk) for chunk in chunks] == [4, 2]
    # Some versions of pandas wrap it, others do not.
    with pytest.raises(Exception, match="column not found: missing"):
        pandas.read_sql("SELECT missing", cursor.connection)


@pytest.mark.parametrize("statement", ["CREATE TABLE made (a INT)", "DROP TABLE t", "INSERT INTO t VALUES (1)"])
def test_rollback_tells_that_a_statement_is_not_undone(statement: str) -> None:
    with dbapi.connect() as connection:
        cursor = connection.cursor()
        cursor.execute("CREATE TABLE t (a INT)")
        connection.commit()
        cursor.execute(statement)
        with pytest.raises(dbapi.NotSupportedError):
            connection.rollback()

"""Many threads on one session, what each thread may do to the others, and use after close."""

import threading
from typing import Any, Callable, Dict, List

import pytest

import velaria
from support import run_code
from velaria import errors

THREADS = 32
QUERIES = 100


def together(count: int, work: Callable[[int], None]) -> None:
    """Runs ``work`` in threads that begin at the same time. The first exception of any is raised."""
    barrier, raised = threading.Barrier(count), []

    def run(number: int) -> None:
        try:
            barrier.wait()
            work(number)
        except BaseException as error:
            raised.append(error)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if raised:
        raise raised[0]


def test_threads_share_a_session(session: velaria.Session) -> None:
    session.create_temp_view("shared", session.create_dataframe_from_arrow({"n": list(range(1_000))}))

    def work(number: int) -> None:
        for query in range(QUERIES):
            text = "SELECT COUNT(*) AS c, SUM(n) AS s FROM shared WHERE n % {} = {}".format(number + 2, query % (number + 2))
            kept = [n for n in range(1_000) if n % (number + 2) == query % (number + 2)]
            assert session.sql(text).fetchall() == [(len(kept), sum(kept) if kept else None)]

    together(THREADS, work)


def test_threads_make_and_replace_views_of_their_own_and_of_all(session: velaria.Session) -> None:
    def work(number: int) -> None:
        own = "v{}".format(number)
        for query in range(20):
            session.create_temp_view(own, session.create_dataframe_from_arrow({"n": [number, query]}))
            session.create_temp_view("all", session.create_dataframe_from_arrow({"n": [number]}))
            assert session.sql("SELECT n FROM {}".format(own)).fetchall() == [(number,), (query,)]
            (seen,) = session.sql("SELECT n FROM all").fetchall()
            assert seen[0] in range(THREADS)

    together(THREADS, work)


def test_threads_insert_into_one_table_and_no_row_is_lost(session: velaria.Session) -> None:
    session.sql("CREATE TABLE t (n BIGINT)")

    def work(number: int) -> None:
        for query in range(10):
            session.sql("INSERT INTO t VALUES ({})".format(number * 10 + query))

    together(16, work)
    assert sorted(session.sql("SELECT n FROM t").fetchall()) == [(n,) for n in range(160)]


def test_threads_run_one_frame(session: velaria.Session) -> None:
    session.create_temp_view("t", session.create_dataframe_from_arrow({"n": list(range(100_000))}))
    frame = session.sql("SELECT SUM(n) AS s FROM t WHERE n % 3 = 0")
    expected = [(sum(range(0, 100_000, 3)),)]

    def work(number: int) -> None:
        for _ in range(10):
            assert frame.fetchall() == expected

    together(16, work)


def test_errors_of_one_thread_are_not_those_of_another(session: velaria.Session) -> None:
    def work(number: int) -> None:
        for _ in range(20):
            if number % 2:
                with pytest.raises(errors.CatalogError, match="missing_{}".format(number)):
                    session.sql("SELECT * FROM missing_{}".format(number))
            else:
                assert session.sql("SELECT {} AS n".format(number)).fetchall() == [(number,)]

    together(16, work)


ENDLESS = "SELECT COUNT(*) AS n FROM generate_series(1, 1000000000000000) AS a(v) WHERE v % 7 = 9"


def interrupted_until_it_ends(session: velaria.Session, run: Callable[[], Any]) -> BaseException:
    """Runs something that never ends in a thread, and interrupts the session once it runs. Gives what it raised."""
    raised: List[BaseException] = []
    begun = threading.Event()

    def work() -> None:
        begun.set()
        try:
            run()
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    begun.wait()
    # Whether the thread has come as far as the engine is not known here; an interrupt before is one of nothing.
    for _ in range(500):
        session.interrupt()
        thread.join(0.02)
        if not thread.is_alive():
            return raised[0]
    pytest.fail("the interrupt was lost")


RUNS: Dict[str, Callable[[velaria.Session], Any]] = {
    "fetchall": lambda session: session.sql(ENDLESS).fetchall(),
    "count": lambda session: session.sql("SELECT v FROM generate_series(1, 1000000000000000) AS a(v) WHERE v % 7 = 9").count(),
    "create table": lambda session: session.sql("CREATE TABLE c AS " + ENDLESS),
    "explain analyze": lambda session: session.sql("EXPLAIN ANALYZE " + ENDLESS).fetchall(),
}


@pytest.mark.parametrize("run", RUNS.values(), ids=RUNS.keys())
def test_interrupt_from_another_thread_ends_a_statement(session: velaria.Session, run: Callable[[velaria.Session], Any]) -> None:
    error = interrupted_until_it_ends(session, lambda: run(session))
    assert isinstance(error, errors.CancelledError), error
    assert error.code == "VEL-8002"
    assert session.sql("SELECT 1 AS a").fetchall() == [(1,)]


def test_interrupt_at_any_moment_is_never_lost_and_never_left_over() -> None:
    # The moment moves through planning and the first batches. Each query would run for days.
    code = """
import faulthandler, threading
faulthandler.dump_traceback_later(100, exit=True)
import velaria
from velaria import errors
endless = "SELECT COUNT(*) AS n FROM generate_series(1, 1000000000000000) AS a(v) WHERE v % 7 = 9 AND " + " AND ".join("v <> -%d" % n for n in range(50))
session = velaria.Session()
frame = session.sql(endless)
for wait in range(60):
    inside = threading.Event()
    ended = []
    def run():
        inside.set()
        try:
            frame.fetchall()
        except errors.CancelledError:
            ended.append(1)
    thread = threading.Thread(target=run)
    thread.start()
    inside.wait()
    for _ in range(wait * 200):
        pass
    while thread.is_alive():
        session.interrupt()
        thread.join(0.01)
    assert ended, wait
    assert session.sql("SELECT 1 AS a").fetchall() == [(1,)]
print("done")
"""
    assert run_code(code) == "done\n"


def test_interrupt_leaves_other_sessions_alone() -> None:
    session, other = velaria.Session(), velaria.Session()
    frame = other.sql("SELECT SUM(v) AS s FROM generate_series(1, 3000000) AS a(v)")
    done: List[Any] = []
    thread = threading.Thread(target=lambda: done.append(frame.fetchall()))
    thread.start()
    while thread.is_alive():
        session.interrupt()
        thread.join(0.01)
    assert done == [[(4500001500000,)]]


def closed_session() -> velaria.Session:
    session = velaria.Session()
    session.close()
    return session


USES: Dict[str, Callable[[velaria.Session], Any]] = {
    "sql": lambda session: session.sql("SELECT 1"),
    "read": lambda session: session.read("x.csv"),
    "read_csv": lambda session: session.read_csv("x.csv"),
    "read_parquet": lambda session: session.read_parquet("x.parquet"),
    "read_json": lambda session: session.read_json("x.json"),
    "read_arrow": lambda session: session.read_arrow("x.arrow"),
    "read_line_file": lambda session: session.read_line_file("x.txt"),
    "read_excel": lambda session: session.read_excel("x.xlsx"),
    "excel_sheets": lambda session: session.excel_sheets("x.xlsx"),
    "probe": lambda session: session.probe("x.csv"),
    "create_dataframe_from_arrow": lambda session: session.create_dataframe_from_arrow({"a": [1]}),
    "read_arrow_stream": lambda session: session.read_arrow_stream(velaria.sql("SELECT 1 AS a")),
    "create_temp_view": lambda session: session.create_temp_view("v", velaria.sql("SELECT 1 AS a")),
    "create_stream_from_arrow": lambda session: session.create_stream_from_arrow({"a": [1]}),
    "read_stream": lambda session: session.read_stream("folder", columns={"a": "INT"}),
    "stream_sql": lambda session: session.stream_sql("SELECT 1"),
    "create_realtime_stream_source": lambda session: session.create_realtime_stream_source({"a": "INT"}),
    "create_realtime_stream_sink": lambda session: session.create_realtime_stream_sink(),
    "vector_search": lambda session: session.vector_search("t", "v", [1.0], 1),
    "hybrid_search": lambda session: session.hybrid_search("t", "v", [1.0], 1),
    "keyword_search": lambda session: session.keyword_search("t", ["a"], "b"),
    "interrupt": lambda session: session.interrupt(),
}


@pytest.mark.parametrize("use", USES.values(), ids=USES.keys())
def test_use_after_close_is_an_error(use: Callable[[velaria.Session], Any]) -> None:
    with pytest.raises(errors.UsageError, match="the session is closed") as raised:
        use(closed_session())
    assert raised.value.code == "VEL-7002"


def test_closing_twice_and_from_many_threads_is_allowed() -> None:
    session = velaria.Session()
    together(8, lambda number: session.close())
    session.close()
    assert repr(session) == "<velaria.Session (closed)>"


def test_closing_while_others_query_is_a_clear_error_or_the_rows() -> None:
    for _ in range(20):
        session = velaria.Session()

        def work(number: int) -> None:
            if number == 0:
                session.close()
                return
            try:
                assert session.sql("SELECT 1 AS a").fetchall() == [(1,)]
            except errors.UsageError as error:
                assert error.code == "VEL-7002"

        together(4, work)

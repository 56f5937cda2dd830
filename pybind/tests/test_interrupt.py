"""Ctrl-C ends a query that computes, other threads run meanwhile, and the session goes on.

Each query would run for days. A thread of the same process ticks twenty times, which it only can while the interpreter
lock is free, and then sends SIGINT. The process is ended by its own watchdog if nothing comes of it.
"""

import json
import sys

import pytest

from support import need, run, run_code

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="SIGINT cannot be sent to oneself there")

CHILD = """
import faulthandler, io, os, signal, sys, threading, time
# The watchdog: it ends the process, and says where it was.
faulthandler.dump_traceback_later(60, exit=True)
import velaria
session = velaria.Session()
endless = "FROM generate_series(1, 1000000000000000) AS a(v) WHERE v % 7 = 9"
pairs = "FROM generate_series(1, 10000000) AS a(v), generate_series(1, 10000000) AS b(w) WHERE (v * w) % 7 = 9"
count = session.sql("SELECT COUNT(*) AS n " + endless)
rows = session.sql("SELECT v " + endless)
ticks = []

def tick():
    for _ in range(20):
        time.sleep(0.025)
        ticks.append(1)
    os.kill(os.getpid(), signal.SIGINT)

{setup}
threading.Thread(target=tick).start()
try:
    {action}
    print("ended")
except KeyboardInterrupt:
    assert len(ticks) == 20, ticks
    assert session.sql("SELECT 1 AS a").fetchall() == [(1,)]
    print("interrupted", file=sys.__stdout__)
"""

ACTIONS = {
    "fetchall": ("", "count.fetchall()"),
    "to_rows": ("", "count.to_rows()"),
    "count": ("", "rows.count()"),
    "show": ("", "count.show()"),
    "html": ("", "count._repr_html_()"),
    "array": ("", "count.__arrow_c_array__()"),
    "insert": ('session.sql("CREATE TABLE t (n BIGINT)")', 'session.sql("INSERT INTO t SELECT v " + endless)'),
    # A join makes many batches of one, so that it needs no input for a long time.
    "cross_join": ("", 'session.sql("SELECT COUNT(*) AS n " + pairs).fetchall()'),
    "cross_join_rows": ("", 'session.sql("SELECT v, w " + pairs).to_rows()'),
    "command_line": (
        "from velaria.__main__ import main\nsys.stdout = io.StringIO()",
        'main(["sql", "SELECT COUNT(*) " + endless])',
    ),
}

# pyarrow, pandas and polars pull the stream themselves, some of them without the interpreter lock.
PULLS = {
    "to_arrow": ("import pyarrow", "rows.to_arrow()"),
    "to_pandas": ("import pyarrow, pandas", "rows.to_pandas()"),
    "to_polars": ("import polars", "rows.to_polars()"),
}

# These turn the error of the stream into one of their own. The signal is set again, so that KeyboardInterrupt comes as
# soon as Python code runs on.
FOREIGN = {
    "pyarrow.table": ("import pyarrow", "pyarrow.table(rows)"),
    "pyarrow reader": ("import pyarrow", "pyarrow.RecordBatchReader.from_stream(rows).read_all()"),
    "pyarrow scanner": (
        "import pyarrow.dataset",
        "pyarrow.dataset.Scanner.from_batches(pyarrow.RecordBatchReader.from_stream(rows)).to_table()",
    ),
    "polars.DataFrame": ("import polars", "polars.DataFrame(rows)"),
    # DuckDB exports and pulls on threads of its own, and the main thread waits for them.
    "duckdb": ("import duckdb", "duckdb.sql('SELECT COUNT(*) FROM rows').fetchall()"),
    "duckdb reader": (
        "import duckdb, pyarrow\nreader = pyarrow.RecordBatchReader.from_stream(rows)",
        "duckdb.sql('SELECT COUNT(*) FROM reader').fetchall()",
    ),
    "velaria": ("", "session.create_dataframe_from_arrow(rows)"),
}


def interrupt(setup: str, action: str) -> None:
    assert run_code(CHILD.replace("{setup}", setup).replace("{action}", action)) == "interrupted\n"


@pytest.mark.parametrize("name", ACTIONS)
def test_interrupt_ends_a_query(name: str) -> None:
    interrupt(*ACTIONS[name])


@pytest.mark.parametrize("name", PULLS)
def test_interrupt_ends_an_export(name: str) -> None:
    need("polars" if name == "to_polars" else "pyarrow")
    if name == "to_pandas":
        need("pandas")
    interrupt(*PULLS[name])


@pytest.mark.parametrize("name", FOREIGN)
def test_interrupt_ends_a_stream_that_others_pull(name: str) -> None:
    need("pyarrow")
    for package in ("polars", "duckdb"):
        if name.startswith(package):
            need(package)
    setup, action = FOREIGN[name]
    catching = "try: {}\n    except (Exception if {!r} != 'velaria' else ()): time.sleep(1)".format(action, name)
    interrupt(setup, catching)


@pytest.mark.parametrize("data", ["vectors", "{'v': vectors.tolist()}"], ids=["numpy", "lists"])
def test_interrupt_ends_a_vector_search(data: str) -> None:
    need("numpy")
    # Equal vectors: none is proven too far, and each is scored for each query.
    setup = """
import numpy
vectors = numpy.ones((20_000, 32), dtype="f4")
queries = numpy.ones((500_000, 32), dtype="f4")
session.create_temp_view("t", session.create_dataframe_from_arrow({}))
column = session.sql("SELECT * FROM t LIMIT 1").columns[0]
""".format(data)
    interrupt(setup, 'session.vector_search("t", column, queries, 1)')


CSV = """
import tempfile
path = os.path.join(tempfile.mkdtemp(), "long.csv")
with open(path, "w") as out:
    out.write("a,b,c\\n")
    for part in range(40):
        out.write("".join("{0},text {0},{0}.5\\n".format(row) for row in range(20_000)))
def again(read):
    # Reading it once may be over before the signal comes.
    while True:
        read()
"""

SCANS = {
    "count": "again(lambda: session.read_csv(path).count())",
    "rows": "again(lambda: session.read_csv(path).fetchall())",
    "write": "again(lambda: session.read_csv(path).write_parquet(path + '.parquet', overwrite=True))",
    "cache": "again(lambda: session.read_csv(path, materialization_dir=tempfile.mkdtemp()))",
}


@pytest.mark.parametrize("name", SCANS)
def test_interrupt_ends_a_scan_of_a_file(name: str) -> None:
    interrupt(CSV, SCANS[name])


STREAM = """
source, sink = session.create_realtime_stream_source({"a": "BIGINT"}), session.create_realtime_stream_sink()
query = session.read_realtime_stream_source(source).write_stream_queue_sink(sink)
query.start()
"""


@pytest.mark.parametrize("arguments", ["", "timeout=60", "max_batches=3"])
def test_interrupt_ends_the_wait_for_a_stream_query(arguments: str) -> None:
    interrupt(STREAM, "query.await_termination({})".format(arguments))


def test_signal_handlers_run_while_long_lists_are_converted() -> None:
    code = """
import signal, velaria
session, seen = velaria.Session(), []
signal.signal(signal.SIGALRM, lambda *_: seen.append(1))
values = list(range(3_000_000))
signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
before = len(seen)
frame = session.create_dataframe_from_arrow({"a": values})
after = len(seen)
signal.setitimer(signal.ITIMER_REAL, 0)
# One could have come on each side of the call.
assert after - before > 2, (before, after)
def press(*_):
    raise KeyboardInterrupt
signal.signal(signal.SIGALRM, press)
signal.setitimer(signal.ITIMER_REAL, 0.001)
try:
    session.create_dataframe_from_arrow({"a": values})
    print("ended")
except KeyboardInterrupt:
    print("interrupted")
"""
    assert run_code(code) == "interrupted\n"


def test_interrupt_that_came_before_is_not_that_of_a_later_stream() -> None:
    need("duckdb")
    code = """
import os, signal
import duckdb, velaria
session = velaria.Session()
frame = session.sql("SELECT value AS a FROM range(3000000)")
for _ in range(5):
    try:
        os.kill(os.getpid(), signal.SIGINT)
        while True:
            pass
    except KeyboardInterrupt:
        pass
    assert duckdb.sql("SELECT COUNT(*) FROM frame").fetchall() == [(3000000,)]
print("done")
"""
    assert run_code(code) == "done\n"


def test_interrupt_ends_a_producer_in_python() -> None:
    need("pyarrow")
    setup = """
import itertools, pyarrow
batch = pyarrow.record_batch({"a": [1]})
"""
    interrupt(setup, "session.create_dataframe_from_arrow(pyarrow.RecordBatchReader.from_batches(batch.schema, itertools.repeat(batch)))")


def test_handler_that_does_not_raise_lets_the_query_end() -> None:
    code = """
import os, signal, threading, velaria
seen = []
signal.signal(signal.SIGINT, lambda *_: seen.append(1))
threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGINT)).start()
query = "SELECT COUNT(*) AS n FROM generate_series(1, 20000) AS a(v), generate_series(1, 5000) AS b(w) WHERE (v * w) % 7 = 0"
while not seen:
    found = velaria.Session().sql(query).fetchall()
print(found)
"""
    assert run_code(code) == "[({},)]\n".format(20000 * 5000 - (20000 - 20000 // 7) * (5000 - 5000 // 7))


def test_entry_point_ends_with_the_exit_code_of_an_interrupt() -> None:
    code = """
import os, signal, sys, threading
from velaria.__main__ import entry_point
sys.argv = ["velaria-cli", "sql", "SELECT COUNT(*) FROM generate_series(1, 1000000000000000) AS a(v) WHERE v % 7 = 9"]
threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()
entry_point()
"""
    done = run(["-c", code])
    assert (done.returncode, done.stderr) == (130, "")
    assert json.loads(done.stdout)["code"] == "VEL-8002"


def test_query_in_another_thread_does_not_stop_the_main_thread() -> None:
    code = """
import threading, time, velaria
frame = velaria.Session().sql("SELECT COUNT(*) AS n FROM generate_series(1, 1000000000000000) AS a(v) WHERE v % 7 = 9")
threading.Thread(target=frame.fetchall, daemon=True).start()
for _ in range(20):
    time.sleep(0.01)
print("counted", flush=True)
"""
    assert run_code(code) == "counted\n"


TERMINATED = """
import faulthandler, os, signal, sys, threading, time
faulthandler.dump_traceback_later(60, exit=True)
import velaria
session = velaria.Session()
endless = session.sql("SELECT COUNT(*) AS n FROM generate_series(1, 1000000000000000) AS a(v) WHERE v % 7 = 9")
signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))
{setup}
threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGTERM)).start()
{action}
"""

TERMINATIONS = {
    "fetchall": ("", "endless.fetchall()"),
    # pyarrow calls us in C, where there are no exceptions; the exception is raised when it has returned.
    "export": (
        "import pyarrow",
        "try:\n    pyarrow.table(endless)\nexcept pyarrow.ArrowInvalid:\n    pass\nfor _ in range(100): time.sleep(0.01)",
    ),
    # The handler runs in the callback, on the thread that waits for the query.
    "progress": ("session.on_progress(lambda progress: time.sleep(0.05))", "endless.fetchall()"),
}


@pytest.mark.parametrize("name", TERMINATIONS)
def test_what_a_signal_handler_raises_ends_the_program(name: str) -> None:
    if name == "export":
        need("pyarrow")
    setup, action = TERMINATIONS[name]
    done = run(["-c", TERMINATED.format(setup=setup, action=action)])
    assert (done.returncode, done.stderr) == (7, "")


def test_an_exception_of_a_signal_handler_is_not_lost_before_a_call() -> None:
    printed = run_code(
        """
import logging, velaria

class Pressed(logging.Logger):
    # A signal handler runs in the first code of Python that the main thread comes to.
    def getEffectiveLevel(self):
        raise KeyboardInterrupt

session = velaria.Session()
session.sql("SELECT 1 AS a").fetchall()
logging.getLogger("velaria").__class__ = Pressed
try:
    session.sql("SELECT 2 AS a").fetchall()
except KeyboardInterrupt:
    print("raised")
"""
    )
    assert printed == "raised\n"

"""Child processes, and the end of a process: fork after use is a clear error, spawn works, and an exit is an exit."""

import sys
from pathlib import Path

import pytest

from support import need, run, run_code

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is no fork")

FORK = """
import faulthandler, os, sys
faulthandler.dump_traceback_later(60, exit=True)
import velaria
from velaria import errors
session = velaria.Session()
session.create_temp_view("t", session.create_dataframe_from_arrow({"a": [1, 2, 3]}))
frame = session.sql("SELECT SUM(a) AS s FROM t")
assert frame.fetchall() == [(6,)]
child = os.fork()
if child == 0:
    try:
        %s
    except errors.Error as error:
        print(error.code, error.message, error.hint, sep=" | ", flush=True)
        os._exit(0)
    os._exit(1)
_, status = os.waitpid(child, 0)
assert status == 0, status
assert frame.fetchall() == [(6,)], "the parent goes on"
"""

REFUSED = (
    "VEL-7002 | velaria cannot be used in a forked process that used it before the fork"
    ' | start child processes with multiprocessing\'s "spawn" or "forkserver" method\n'
)

USES = {
    "a new query": "session.sql('SELECT 1 AS a').fetchall()",
    "a new session": "velaria.Session().sql('SELECT 1 AS a').fetchall()",
    "the session of the process": "velaria.sql('SELECT 1 AS a').fetchall()",
    "a frame": "frame.fetchall()",
    "a count": "frame.count()",
    "an export": "frame.__arrow_c_stream__()",
    "a file": "session.read_csv('x.csv')",
    "an explanation": "frame.explain()",
}


@pytest.mark.parametrize("use", USES.values(), ids=USES.keys())
def test_use_in_a_forked_child_is_a_clear_error(use: str) -> None:
    assert run_code(FORK % use) == REFUSED


def test_stream_that_was_exported_before_a_fork_ends_with_an_error_in_the_child() -> None:
    need("pyarrow")
    code = """
import os, sys
import pyarrow, velaria
session = velaria.Session()
stream = pyarrow.RecordBatchReader.from_stream(session.sql("SELECT value AS a FROM range(1000000)"))
stream.read_next_batch()
child = os.fork()
if child == 0:
    try:
        stream.read_all()
    except pyarrow.ArrowException as error:
        print("forked process" in str(error), flush=True)
    except OSError as error:
        print("forked process" in str(error), flush=True)
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
print(sum(batch.num_rows for batch in stream) > 0)
"""
    assert run_code(code) == "True\nTrue\n"


def test_fork_before_use_works() -> None:
    code = """
import os
import velaria
child = os.fork()
if child == 0:
    print(velaria.sql("SELECT 1 AS a").fetchall(), flush=True)
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
print(velaria.sql("SELECT 2 AS a").fetchall())
"""
    assert run_code(code) == "[(1,)]\n[(2,)]\n"


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_other_ways_of_starting_children_work(method: str, tmp_path: Path) -> None:
    # Children import the program, which has to be a file.
    program = tmp_path / "program.py"
    program.write_text(
        """
import multiprocessing
import velaria

def total(count):
    return velaria.Session().sql("SELECT SUM(value) AS s FROM range({})".format(count)).fetchall()[0][0]

if __name__ == "__main__":
    assert total(10) == 45
    context = multiprocessing.get_context("%s")
    with context.Pool(2) as pool:
        print(pool.map(total, [10, 100, 1000]))
"""
        % method,
        encoding="utf-8",
    )
    done = run([str(program)])
    assert (done.returncode, done.stdout, done.stderr) == (0, "[45, 4950, 499500]\n", "")


# Programs that end while something of ours still runs or waits. Each must end by itself, without a word.
ENDS = {
    "a query in a daemon thread": """
frame = session.sql("SELECT COUNT(*) AS n FROM generate_series(1, 1000000000000000) AS a(v) WHERE v % 7 = 9")
threading.Thread(target=frame.fetchall, daemon=True).start()
time.sleep(0.1)
""",
    "a reader that was not read": """
stream = pyarrow.RecordBatchReader.from_stream(session.sql("SELECT value AS a FROM range(10000000)"))
stream.read_next_batch()
""",
    "a scanner that reads ahead": """
import pyarrow.dataset
frame = session.sql("SELECT value AS a, CAST(value AS VARCHAR) AS b FROM range(300000)")
scanner = pyarrow.dataset.Scanner.from_batches(pyarrow.RecordBatchReader.from_stream(frame))
ahead = scanner.to_reader()
ahead.read_next_batch()
""",
    "a scanner over an endless query": """
import pyarrow.dataset
frame = session.sql("SELECT v FROM generate_series(1, 1000000000000000) AS a(v) WHERE v % 7 = 9 OR v < 10")
scanner = pyarrow.dataset.Scanner.from_batches(pyarrow.RecordBatchReader.from_stream(frame))
ahead = scanner.to_reader()
time.sleep(0.1)
""",
    "a producer in Python that goes on for ever": """
batch = pyarrow.record_batch({"a": [1]})
import itertools
endless = pyarrow.RecordBatchReader.from_batches(batch.schema, itertools.repeat(batch))
frame = session.read_arrow_stream(endless)
threading.Thread(target=frame.count, daemon=True).start()
time.sleep(0.1)
""",
    "a stream query": """
source = session.create_realtime_stream_source({"a": "BIGINT"})
sink = session.create_realtime_stream_sink()
query = session.read_realtime_stream_source(source).write_stream_queue_sink(sink)
query.start()
""",
    "numpy memory": """
import numpy
session.create_temp_view("t", session.create_dataframe_from_arrow({"a": numpy.arange(1000000)}))
frame = session.sql("SELECT SUM(a) AS s FROM t")
frame.fetchall()
kept = frame.to_arrow()
""",
}


@pytest.mark.parametrize("program", ENDS.values(), ids=ENDS.keys())
def test_process_ends_by_itself(program: str) -> None:
    need("pyarrow")
    need("numpy")
    setup = "import threading, time\nimport pyarrow, velaria\nsession = velaria.Session()\n"
    # What goes wrong at an exit goes wrong now and then.
    for _ in range(3):
        done = run(["-c", setup + program])
        assert (done.returncode, done.stderr) == (0, "")

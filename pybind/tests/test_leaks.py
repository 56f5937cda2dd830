"""A thousand beginnings and ends leave nothing behind: no threads, no open files, no memory that grows.

Each test is a process of its own that counts after a warm-up and again after many more cycles. Memory is compared between
two stretches of equal length, so that what is only taken once does not count.
"""

import sys
from pathlib import Path

import pytest

from support import need, run_code

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="counts what /proc says")

CHILD = """
import gc, os, sys, threading, time
import velaria
from velaria import errors
session = velaria.Session()

def files():
    return len(os.listdir("/proc/self/fd"))

def threads():
    return len(os.listdir("/proc/self/task"))

def kilobytes():
    gc.collect()
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))

{setup}

def cycles(count):
    for number in range(count):
        cycle(number)

cycles({warm})
session.sql("SELECT 1").fetchall()
open_files, running = files(), threads()
start = kilobytes()
cycles({count} // 2)
middle = kilobytes()
cycles({count} // 2)
end = kilobytes()
# A thread that has ended is still counted for a moment.
for _ in range(600):
    if threads() <= running + {spare} and files() <= open_files + 2:
        break
    time.sleep(0.05)
assert threads() <= running + {spare}, (running, threads())
assert files() <= open_files + 2, (open_files, files())
# What a real leak of a thousand cycles would be is more than noise of an allocator.
assert end - middle < {kilobytes} or end - start < {kilobytes}, (start, middle, end)
print("done")
"""

CYCLES = {
    "sessions": """
def cycle(number):
    with velaria.Session() as own:
        own.create_temp_view("t", own.create_dataframe_from_arrow({"a": [1, 2, 3]}))
        assert own.sql("SELECT SUM(a) AS s FROM t").fetchall() == [(6,)]
""",
    "sessions that are not closed": """
def cycle(number):
    own = velaria.Session()
    assert own.sql("SELECT {} AS n".format(number)).fetchall() == [(number,)]
""",
    "queries": """
session.create_temp_view("t", session.create_dataframe_from_arrow({"a": list(range(1000))}))
def cycle(number):
    assert session.sql("SELECT COUNT(*) AS n FROM t WHERE a >= {}".format(number % 1000)).fetchall() == [(1000 - number % 1000,)]
""",
    "queries with errors": """
def cycle(number):
    try:
        session.sql("SELECT * FROM missing_{}".format(number))
    except errors.CatalogError:
        return
    raise AssertionError
""",
    "views that are replaced": """
def cycle(number):
    session.create_temp_view("t", session.create_dataframe_from_arrow({"a": list(range(1000))}))
    assert session.sql("SELECT COUNT(*) AS n FROM t").fetchall() == [(1000,)]
""",
    "tables that are dropped": """
def cycle(number):
    session.sql("CREATE TABLE t{} (a INT)".format(number))
    session.sql("INSERT INTO t{} VALUES (1)".format(number))
    session.sql("DROP TABLE t{}".format(number))
""",
    "CSV files": """
import tempfile
path = os.path.join(tempfile.mkdtemp(), "x.csv")
with open(path, "w") as out:
    out.write("a,b\\n" + "1,x\\n" * 100)
def cycle(number):
    assert session.read_csv(path).count() == 100
""",
    "streams of Arrow": """
import pyarrow
batch = pyarrow.record_batch({"a": [1, 2, 3]})
def cycle(number):
    reader = pyarrow.RecordBatchReader.from_batches(batch.schema, iter([batch, batch]))
    assert session.read_arrow_stream(reader).to_arrow().num_rows == 6
""",
    "streams of Arrow that nobody reads to the end": """
import pyarrow
batch = pyarrow.record_batch({"a": [1, 2, 3]})
def cycle(number):
    reader = pyarrow.RecordBatchReader.from_batches(batch.schema, iter([batch] * 100))
    out = pyarrow.RecordBatchReader.from_stream(session.read_arrow_stream(reader))
    out.read_next_batch()
""",
    "streams that are refused": """
import hostile
cases = ["length_2_62", "text_not_utf8", "child_null", "type_contains_itself", "dictionary_index_too_large", "error_in_mid_stream"]
def cycle(number):
    hostile.ALIVE.clear()
    hostile.ALIVE.extend(kept)
    try:
        session.create_dataframe_from_arrow(hostile.CASES[cases[number % len(cases)]]())
    except errors.DataError:
        return
    raise AssertionError
kept = list(hostile.ALIVE)
""",
    "stream queries": """
def cycle(number):
    source = session.create_realtime_stream_source({"a": "BIGINT"})
    sink = session.create_realtime_stream_sink()
    query = session.read_realtime_stream_source(source).write_stream_queue_sink(sink, trigger_interval_ms=0)
    query.start()
    source.push_rows([{"a": number}])
    source.close()
    query.await_termination()
    query.stop()
""",
    "stream queries that are stopped at once": """
def cycle(number):
    source = session.create_realtime_stream_source({"a": "BIGINT"})
    sink = session.create_realtime_stream_sink()
    query = session.read_realtime_stream_source(source).write_stream_queue_sink(sink)
    query.start()
    query.stop()
""",
    "sessions that are interrupted": """
endless = "SELECT COUNT(*) AS n FROM generate_series(1, 1000000000000000) AS a(v) WHERE v % 7 = 9"
frame = session.sql(endless)
def cycle(number):
    if number % 10:
        return
    def run():
        try:
            frame.fetchall()
        except errors.CancelledError:
            pass
    thread = threading.Thread(target=run)
    thread.start()
    while thread.is_alive():
        session.interrupt()
        thread.join(0.005)
""",
}


@pytest.mark.parametrize("name", CYCLES)
def test_thousand_cycles_leave_nothing(name: str) -> None:
    setup = CYCLES[name]
    if "pyarrow" in setup:
        need("pyarrow")
    # An interrupted query may keep threads for a moment, which are counted with those that idle.
    spare = 8 if "interrupt" in name or "Arrow" in name else 4
    code = CHILD.replace("{setup}", setup).replace("{warm}", "100").replace("{count}", "1000")
    code = code.replace("{spare}", str(spare)).replace("{kilobytes}", "20000")
    code = "import sys\nsys.path.insert(0, {!r})\n".format(str(Path(__file__).parent)) + code
    assert run_code(code) == "done\n"

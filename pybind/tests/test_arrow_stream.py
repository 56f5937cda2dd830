"""Streams that are pulled while a query runs: ``Session.read_arrow_stream``; and rows that are shared and not copied."""

import os
import threading
from typing import Any, Callable, Dict, Iterator, List

import pytest

import velaria
from support import need, run_code
from velaria import errors

pa = pytest.importorskip("pyarrow")


def reader(batches: Iterator[Any], schema: Any) -> Any:
    return pa.RecordBatchReader.from_batches(schema, batches)


def numbers(count: int, pulled: List[int]) -> Any:
    """A reader of batches with one row each, which notes what was pulled."""
    schema = pa.schema([("a", pa.int64())])

    def make() -> Iterator[Any]:
        for number in range(count):
            pulled.append(number)
            yield pa.record_batch([pa.array([number])], schema=schema)

    return reader(make(), schema)


def test_nothing_is_pulled_before_rows_are_asked_for(session: velaria.Session) -> None:
    pulled: List[int] = []
    frame = session.read_arrow_stream(numbers(3, pulled))
    assert frame.columns == ["a"]
    assert "stream" in frame.explain()
    session.create_temp_view("s", frame)
    doubled = session.sql("SELECT a * 2 AS b FROM s WHERE a > 0")
    assert doubled.schema.names == ["b"]
    assert pulled == []
    assert sorted(doubled.fetchall()) == [(2,), (4,)]


def test_frame_keeps_the_order_of_the_stream(session: velaria.Session) -> None:
    assert session.read_arrow_stream(numbers(50, [])).fetchall() == [(number,) for number in range(50)]


def test_stream_is_pulled_a_little_ahead_and_no_further(session: velaria.Session) -> None:
    pulled: List[int] = []
    frame = session.read_arrow_stream(numbers(1_000, pulled))
    out = pa.RecordBatchReader.from_stream(frame)
    assert out.read_next_batch().to_pydict() == {"a": [0]}
    # What waits on the way, and what is being made.
    assert len(pulled) < 100
    out.close()


def test_limit_leaves_the_rest_of_an_endless_stream(session: velaria.Session) -> None:
    pulled: List[int] = []
    frame = session.read_arrow_stream(numbers(10**12, pulled))
    assert frame.limit(3).fetchall() == [(0,), (1,), (2,)]


READS: Dict[str, Callable[[velaria.DataFrame], Any]] = {
    "fetchall": lambda frame: frame.fetchall(),
    "count": lambda frame: frame.count(),
    "to_arrow": lambda frame: frame.to_arrow(),
    "show": lambda frame: frame.show(),
}


@pytest.mark.parametrize("read", READS.values(), ids=READS.keys())
def test_second_read_is_an_error_and_never_no_rows(session: velaria.Session, read: Callable[[velaria.DataFrame], Any]) -> None:
    frame = session.read_arrow_stream(numbers(3, []))
    read(frame)
    with pytest.raises((errors.DataError, pa.ArrowInvalid, OSError), match="the stream was read already"):
        read(frame)
    with pytest.raises(errors.DataError, match="the stream was read already") as raised:
        frame.fetchall()
    assert raised.value.code == "VEL-5009"
    assert raised.value.hint is not None and raised.value.hint.startswith("its rows come once")


def test_stream_joined_with_itself_is_an_error(session: velaria.Session) -> None:
    session.create_temp_view("s", session.read_arrow_stream(numbers(3, [])))
    with pytest.raises(errors.DataError, match="the stream was read already"):
        session.sql("SELECT COUNT(*) FROM s AS l JOIN s AS r ON l.a = r.a").fetchall()


def test_error_of_the_producer_ends_the_query(session: velaria.Session) -> None:
    schema = pa.schema([("a", pa.int64())])

    def make() -> Iterator[Any]:
        yield pa.record_batch([pa.array([1])], schema=schema)
        raise ZeroDivisionError("mine")

    frame = session.read_arrow_stream(reader(make(), schema))
    with pytest.raises(errors.DataError, match="the Arrow stream failed: .*mine"):
        frame.fetchall()
    assert session.sql("SELECT 1").fetchall() == [(1,)]


def test_columns_that_share_a_name_are_refused_before_anything_is_pulled(session: velaria.Session) -> None:
    stream = pa.table([[1], [2]], names=["a", "a"]).to_reader()
    with pytest.raises(errors.PlanError, match="duplicate column"):
        session.read_arrow_stream(stream)


@pytest.mark.parametrize("value", [None, 3, "text", {"a": [1]}, [1]])
def test_what_has_no_stream_is_refused(session: velaria.Session, value: Any) -> None:
    with pytest.raises(TypeError, match="pass an object with __arrow_c_stream__") as raised:
        session.read_arrow_stream(value)
    assert isinstance(raised.value, errors.ArgumentTypeError)


def test_everything_that_has_a_stream_is_read(session: velaria.Session) -> None:
    table = pa.table({"a": [1, 2, 3]})
    streams = [table, table.to_batches()[0], table.to_reader(), session.create_dataframe_from_arrow(table)]
    for stream in streams:
        assert session.read_arrow_stream(stream).fetchall() == [(1,), (2,), (3,)]
    polars = need("polars")
    assert session.read_arrow_stream(polars.DataFrame({"a": [1, 2]})).fetchall() == [(1,), (2,)]
    duckdb = need("duckdb")
    assert session.read_arrow_stream(duckdb.sql("SELECT 7 AS a")).fetchall() == [(7,)]


def test_stream_of_another_session_runs_inside_of_a_query(session: velaria.Session) -> None:
    other = velaria.Session()
    source = other.sql("SELECT value AS a FROM range(100000)")
    session.create_temp_view("s", session.read_arrow_stream(source))
    assert session.sql("SELECT SUM(a) AS total FROM s").fetchall() == [(4_999_950_000,)]


def test_session_goes_on_after_a_stream_was_dropped_unread(session: velaria.Session) -> None:
    for _ in range(20):
        session.read_arrow_stream(numbers(10**9, []))
    assert session.sql("SELECT 1").fetchall() == [(1,)]


def test_stream_far_larger_than_memory_takes_the_memory_of_a_few_batches() -> None:
    need("numpy")
    # 3 GB in all, each batch in memory of its own.
    code = """
import resource
import numpy, pyarrow, velaria
schema = pyarrow.schema([("a", pyarrow.float64())])
def make():
    for _ in range(400):
        yield pyarrow.record_batch([pyarrow.array(numpy.ones(1_000_000))], schema=schema)
session = velaria.Session()
session.sql("SELECT 1").fetchall()
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
frame = session.read_arrow_stream(pyarrow.RecordBatchReader.from_batches(schema, make()))
session.create_temp_view("s", frame)
assert session.sql("SELECT SUM(a) AS total FROM s").fetchall() == [(400_000_000.0,)]
rows = 0
stream = pyarrow.RecordBatchReader.from_stream(session.read_arrow_stream(pyarrow.RecordBatchReader.from_batches(schema, make())))
for batch in stream:
    rows += batch.num_rows
assert rows == 400_000_000
grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
assert grown < 200 * 1024, grown
print("done")
"""
    assert run_code(code) == "done\n"


def test_interrupt_ends_a_query_whose_stream_waits() -> None:
    code = """
import faulthandler, os, signal, threading, time
faulthandler.dump_traceback_later(30, exit=True)
import pyarrow, velaria
session = velaria.Session()
batch = pyarrow.record_batch({"a": [1]})
waiting, goes_on = threading.Event(), threading.Event()
def make():
    yield batch
    waiting.set()
    goes_on.wait()
frame = session.read_arrow_stream(pyarrow.RecordBatchReader.from_batches(batch.schema, make()))
def press():
    waiting.wait()
    os.kill(os.getpid(), signal.SIGINT)
threading.Thread(target=press).start()
try:
    frame.fetchall()
    print("ended")
except KeyboardInterrupt:
    print("interrupted")
goes_on.set()
assert session.sql("SELECT 1 AS a").fetchall() == [(1,)]
"""
    assert run_code(code) == "interrupted\n"


@pytest.mark.skipif(os.name != "posix", reason="the test sends a signal to its own process")
def test_interrupt_of_a_generator_that_is_taken_in_is_an_interrupt() -> None:
    code = """
import faulthandler, os, signal, threading, time
faulthandler.dump_traceback_later(30, exit=True)
import pyarrow, velaria
session = velaria.Session()
batch = pyarrow.record_batch({"a": [1]})
def make():
    yield batch
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(20)
try:
    session.create_dataframe_from_arrow(pyarrow.RecordBatchReader.from_batches(batch.schema, make()))
    print("ended")
except KeyboardInterrupt as interrupt:
    print(type(interrupt.__cause__).__name__)
assert session.sql("SELECT 1 AS a").fetchall() == [(1,)]
"""
    assert run_code(code) == "DataError\n"


def address(array: Any) -> int:
    """Where the first value of an array lies."""
    values = array.values if pa.types.is_fixed_size_list(array.type) else array
    at: int = values.buffers()[1].address + values.offset * values.type.bit_width // 8
    return at


def vectors(values: Any, width: int) -> Any:
    return pa.FixedSizeListArray.from_arrays(pa.array(values), width)


SHARED: Dict[str, Callable[[], Any]] = {
    "int64": lambda: pa.array(range(1_000)),
    "int8": lambda: pa.array(range(100), pa.int8()),
    "float64": lambda: pa.array([0.5] * 1_000),
    "float32": lambda: pa.array([0.5] * 1_000, pa.float32()),
    "timestamp": lambda: pa.array(range(1_000), pa.timestamp("us")),
    "decimal": lambda: pa.array(range(1_000)).cast(pa.decimal128(38, 2)),
    "with nulls": lambda: pa.array([1, None, 3]),
    "vectors": lambda: vectors(need("numpy").arange(3_000, dtype="f4"), 3),
}


@pytest.mark.parametrize("make", SHARED.values(), ids=SHARED.keys())
def test_values_are_shared_and_not_copied_in_and_out(session: velaria.Session, make: Callable[[], Any]) -> None:
    column = make()
    frame = session.create_dataframe_from_arrow(pa.table({"a": column}))
    out = frame.to_arrow().column(0).chunk(0)
    assert out.equals(column)
    assert address(out) == address(column)
    session.create_temp_view("t", frame)
    assert address(session.sql("SELECT a FROM t").to_arrow().column(0).chunk(0)) == address(column)
    pulled = session.read_arrow_stream(pa.table({"a": column})).to_arrow().column(0).chunk(0)
    assert address(pulled) == address(column)


def test_slices_are_shared_where_they_begin(session: velaria.Session) -> None:
    column = pa.array(range(1_000)).slice(37, 20)
    out = session.create_dataframe_from_arrow(pa.table({"a": column})).to_arrow().column(0).chunk(0)
    assert out.to_pylist() == list(range(37, 57))
    assert address(out) == address(column)
    rows = vectors(need("numpy").arange(3_000, dtype="f4"), 3).slice(17, 5)
    taken = session.create_dataframe_from_arrow(pa.table({"v": rows})).to_arrow().column(0).chunk(0)
    assert taken.to_pylist() == rows.to_pylist()


def test_numpy_memory_is_shared_out_to_numpy(session: velaria.Session) -> None:
    numpy = need("numpy")
    for array in (numpy.arange(1_000), numpy.random.default_rng(1).random((100, 8), dtype="f4")):
        frame = session.create_dataframe_from_arrow(array if array.ndim == 2 else {"a": array})
        assert address(frame.to_arrow().column(0).chunk(0)) == array.__array_interface__["data"][0]


def test_memory_is_let_go_of_when_nothing_needs_it(session: velaria.Session) -> None:
    before = pa.total_allocated_bytes()
    table = pa.table({"a": pa.array(range(1_000_000))})
    held = pa.total_allocated_bytes()
    frame = session.create_dataframe_from_arrow(table)
    out = frame.to_arrow()
    del table, frame
    assert pa.total_allocated_bytes() >= held, "the export still needs it"
    assert out.num_rows == 1_000_000
    del out
    assert pa.total_allocated_bytes() < before + 100_000


def test_rows_are_let_go_of_by_any_thread(session: velaria.Session) -> None:
    before = pa.total_allocated_bytes()
    held = [session.create_dataframe_from_arrow(pa.table({"a": pa.array(range(1_000_000))}))]
    assert pa.total_allocated_bytes() > before + 1_000_000
    thread = threading.Thread(target=held.clear)
    thread.start()
    thread.join()
    assert pa.total_allocated_bytes() < before + 100_000

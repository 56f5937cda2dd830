"""Sources and sinks that are code of the program: how they are fed, how they end, and what survives."""

import collections
import gc
import itertools
import logging
import os
import queue
import sqlite3
import sys
import threading
import traceback
import weakref
from datetime import date
from pathlib import Path
from typing import Any, Dict, Iterator, List, Tuple
from unittest import mock

import pytest

import velaria
from support import WATCHDOG_SECONDS, need, run, run_code
from velaria import custom_stream, errors


def finish(query: velaria.StreamingQuery) -> int:
    return query.start().await_termination(timeout=WATCHDOG_SECONDS)


def emitted(stream: velaria.StreamingDataFrame, **options: Any) -> List[List[Tuple[Any, ...]]]:
    """The rows of each emission of a query over a stream that ends."""
    seen: List[List[Tuple[Any, ...]]] = []
    options.setdefault("trigger_interval_ms", 0)
    finish(stream.write_stream_custom(lambda emission: seen.append(emission.fetchall()), **options))
    return seen


def threads_of(query: velaria.StreamingQuery) -> List[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith(query.id + "-")]


class Numbers:
    """Numbers below a bound, with offsets: the place to go on at."""

    def __init__(self, bound: int) -> None:
        self.bound = bound
        self.next = 0
        self.seeks: List[int] = []

    def __iter__(self) -> Iterator[Dict[str, int]]:
        while self.next < self.bound:
            self.next += 1
            yield {"v": self.next - 1}

    def offset(self) -> int:
        return self.next

    def seek(self, offset: int) -> None:
        self.seeks.append(offset)
        self.next = offset


# The API of the original.


class FakeSession:
    """All that the original asks of a session."""

    def __init__(self) -> None:
        self.batches: Any = None

    def create_stream_from_arrow(self, batches: Any) -> str:
        self.batches = batches
        return "stream"


def test_batches_are_cut_by_rows_and_the_result_of_the_session_is_passed_on() -> None:
    need("pyarrow")
    session = FakeSession()
    rows = [{"id": number, "name": "n{}".format(number)} for number in range(5)]
    made = velaria.create_stream_from_custom_source(session, rows, emit_interval_seconds=60, emit_rows=2)
    assert made == "stream"
    assert [table.to_pylist() for table in session.batches] == [rows[:2], rows[2:4], rows[4:]]
    source = velaria.CustomArrowStreamSource(emit_rows=3)
    assert source.to_stream_dataframe(session, iter(rows)) == "stream"
    assert [table.num_rows for table in session.batches] == [3, 2]
    assert source.to_arrow_batches([]) == []


def test_batches_are_cut_by_time_when_a_row_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    need("pyarrow")
    times = itertools.chain([0.0, 0.4, 1.0, 1.0, 1.5, 2.1, 2.1], itertools.repeat(2.1))
    monkeypatch.setattr(custom_stream.time, "monotonic", lambda: next(times))
    source = velaria.CustomArrowStreamSource(emit_interval_seconds=1.0, emit_rows=100)
    assert [table.num_rows for table in source.iter_arrow_batches({"v": v} for v in range(5))] == [2, 2, 1]


def test_time_is_looked_at_when_rows_do_not_suffice(monkeypatch: pytest.MonkeyPatch) -> None:
    need("pyarrow")
    asked: List[float] = []

    def monotonic() -> float:
        asked.append(0.0)
        return 0.0

    monkeypatch.setattr(custom_stream.time, "monotonic", monotonic)
    source = velaria.CustomArrowStreamSource(emit_rows=2)
    assert len(source.to_arrow_batches({"v": v} for v in range(4))) == 2
    # At the beginning, with the first row of each batch, and behind each batch.
    assert len(asked) == 1 + 2 + 2


def test_a_stand_in_for_a_session_gets_all_batches() -> None:
    need("pyarrow")
    session = mock.MagicMock(spec=velaria.Session)
    session.create_stream_from_arrow.return_value = "stream"
    assert velaria.create_stream_from_custom_source(session, [{"v": 1}, {"v": 2}], emit_rows=1) == "stream"
    (tables,) = session.create_stream_from_arrow.call_args.args
    assert [table.to_pylist() for table in tables] == [[{"v": 1}], [{"v": 2}]]
    session.read_custom_stream.assert_not_called()


def test_columns_are_those_of_all_rows_of_a_batch() -> None:
    need("pyarrow")
    source = velaria.CustomArrowStreamSource(emit_rows=2)
    first, second, third = source.to_arrow_batches([{"a": 1}, {"b": 2, "a": 3}, {"b": 4}, {"b": 5}, {}])
    assert first.to_pylist() == [{"a": 1, "b": None}, {"a": 3, "b": 2}]
    assert second.to_pylist() == [{"b": 4}, {"b": 5}]
    assert (third.num_columns, third.num_rows) == (0, 1)


def test_sequences_need_a_schema_and_its_width() -> None:
    pa = need("pyarrow")
    schema = pa.schema([("id", pa.int64()), ("name", pa.string())])
    source = velaria.CustomArrowStreamSource(schema)
    (table,) = source.to_arrow_batches([(1, "a"), [2, None]])
    assert table.schema == schema and table.to_pylist() == [{"id": 1, "name": "a"}, {"id": 2, "name": None}]
    (table,) = source.to_arrow_batches([{"id": 3, "other": True}])
    assert table.to_pylist() == [{"id": 3, "name": None}]
    for wrong_source, rows, text in (
        (velaria.CustomArrowStreamSource(), [(1,)], "schema is required when rows are sequence-based"),
        (source, [(1, "a"), {"id": 1}], "mixed row types are not supported"),
        (source, [{"id": 1}, (1, "a")], "mixed row types are not supported"),
        (source, [(1, "a"), (1,)], "row width does not match schema"),
        (source, ["ab"], "rows must be mappings or sequences"),
        (source, [7], "rows must be mappings or sequences"),
    ):
        with pytest.raises(ValueError, match=text):
            wrong_source.to_arrow_batches(rows)  # type: ignore[arg-type]


def test_options_are_checked_by_source_and_sink() -> None:
    assert velaria.CustomStreamEmitOptions() == velaria.CustomStreamEmitOptions(1.0, 1024)
    assert velaria.CustomStreamEmitOptions(-1.0).emit_interval_seconds == -1.0
    for options, text in (
        ({"emit_interval_seconds": 0}, "emit_interval_seconds must be > 0"),
        ({"emit_interval_seconds": float("nan")}, "emit_interval_seconds must be > 0"),
        ({"emit_rows": 0}, "emit_rows must be > 0"),
    ):
        made: Any
        for made in (velaria.CustomArrowStreamSource, lambda **options: velaria.CustomArrowStreamSink(print, **options)):
            with pytest.raises(ValueError, match=text):
                made(**options)
        with pytest.raises(errors.UsageError, match=text):
            velaria.Session().read_custom_stream([], {"v": "INT"}, **options)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="on_emit must be callable"):
        velaria.CustomArrowStreamSink(3)  # type: ignore[arg-type]


def test_a_sink_emits_whole_tables() -> None:
    pa = need("pyarrow")
    seen: List[Any] = []
    sink = velaria.CustomArrowStreamSink(seen.append, emit_interval_seconds=60, emit_rows=3)
    velaria.consume_arrow_batches_with_custom_sink((pa.table({"v": [v]}) for v in range(4)), sink)
    assert [table.to_pydict() for table in seen] == [{"v": [0, 1, 2]}, {"v": [3]}]
    sink.write_batch(pa.table({"v": pa.array([], pa.int64())}))
    sink.close()
    assert len(seen) == 2
    late = velaria.CustomArrowStreamSink(seen.append, emit_interval_seconds=1e-9, emit_rows=100)
    late.write_batch(pa.table({"v": [7]}))
    late.write_batch(pa.record_batch({"v": [8]}))
    assert [table.num_rows for table in seen[2:]] == [1, 1]


def test_rows_stay_in_a_sink_whose_callback_raises() -> None:
    pa = need("pyarrow")
    seen: List[Any] = []

    def on_emit(table: Any) -> None:
        seen.append(table)
        if len(seen) == 1:
            raise KeyError("not yet")

    sink = velaria.CustomArrowStreamSink(on_emit, emit_rows=1)
    with pytest.raises(KeyError):
        velaria.consume_arrow_batches_with_custom_sink([pa.table({"v": [1]})], sink)
    sink.close()
    assert [table.num_rows for table in seen] == [1, 1]


# What may be a source.


def test_an_iterator_feeds_a_query(session: velaria.Session) -> None:
    stream = session.read_custom_stream(({"k": "ab"[v % 2], "v": v} for v in range(5)), emit_rows=2)
    assert stream.columns == ["k", "v"]
    assert emitted(stream) == [[("a", 0), ("b", 1)], [("a", 2), ("b", 3)], [("a", 4)]]
    session.create_temp_view("rows", session.read_custom_stream(iter([{"k": "a", "v": 1}, {"k": "a", "v": 2}])))
    assert emitted(session.stream_sql("SELECT k, SUM(v) AS s FROM rows GROUP BY k")) == [[("a", 3)]]


def test_the_helpers_of_the_original_are_lazy_with_a_session(session: velaria.Session) -> None:
    taken: List[int] = []

    def rows() -> Iterator[Dict[str, int]]:
        for v in range(5):
            taken.append(v)
            yield {"v": v}

    stream = velaria.create_stream_from_custom_source(session, rows(), emit_rows=2)
    assert taken == [0, 1], "as many as it takes to know the columns"
    assert emitted(stream) == [[(0,), (1,)], [(2,), (3,)], [(4,)]]


@pytest.mark.parametrize("kind", [list, tuple])
def test_rows_that_are_there_are_looked_at_as_a_whole(session: velaria.Session, kind: Any) -> None:
    pa = need("pyarrow")

    def made(*rows: Any) -> velaria.StreamingDataFrame:
        stream: velaria.StreamingDataFrame = velaria.create_stream_from_custom_source(session, kind(rows), emit_rows=2)
        return stream

    stream = made({"v": None}, {"v": None}, {"v": 1, "late": "x"}, {"v": 2}, {"v": 2.5, "none": None})
    assert (stream.columns, stream.schema.types) == (["v", "late", "none"], ["Float64", "Utf8", "Utf8"])
    rows = [[(None, None, None)] * 2, [(1.0, "x", None), (2.0, None, None)], [(2.5, None, None)]]
    assert emitted(stream) == emitted(stream) == rows
    assert emitted(made({}, {}, {"v": 1})) == [[(None,), (None,)], [(1,)]]
    assert made().columns == session.create_stream_from_arrow([]).columns
    assert emitted(made()) == emitted(session.create_stream_from_arrow([]))
    # Arrow data among the rows has its types already.
    assert emitted(made(pa.table({"v": [1]}), pa.record_batch({"v": [2]}))) == [[(1,)], [(2,)]]
    for wrong in ([{"v": 1}, {"v": "x"}], [{"v": 1}, {"v": 2}, {"v": "x"}], [{"v": 2**60 + 1}, {"v": 1}, {"v": 0.5}]):
        with pytest.raises(errors.DataError, match="rows have values of no common type") as raised:
            made(*wrong)
        assert raised.value.code == "VEL-5006" and raised.value.__cause__ is not None
    for row in ([(1,)], ["text"], [7]):
        with pytest.raises(ValueError, match="schema is required|rows must be mappings"):
            made(*row)


def test_rows_that_are_there_need_no_pyarrow() -> None:
    printed = run_code(
        """
import sys
sys.modules["pyarrow"] = None
import velaria
session, seen = velaria.Session(), []
for schema in ({"v": "INT"}, None):
    stream = velaria.create_stream_from_custom_source(session, [{"v": 1}], schema=schema)
    stream.write_stream_custom(lambda e: seen.append(e.fetchall()), 0).await_termination()
print(seen, velaria.create_stream_from_custom_source(session, []).columns)
"""
    )
    assert printed == "[[(1,)], [(1,)]] []\n"


def test_rows_are_dicts_mappings_or_sequences(session: velaria.Session) -> None:
    Point = collections.namedtuple("Point", "a b")
    database = sqlite3.connect(":memory:")
    rows: List[Any] = [{"b": "x", "a": 1}, {"a": 2}, [3, "z"], (4, None), Point(5, "p"), collections.ChainMap({"a": 6})]
    rows += database.execute("SELECT 7, 'sql'").fetchall()
    stream = session.read_custom_stream(rows, {"a": "INT", "b": "STRING"})
    expected = [(1, "x"), (2, None), (3, "z"), (4, None), (5, "p"), (6, None), (7, "sql")]
    assert emitted(stream) == [expected]


def test_values_keep_their_types(session: velaria.Session) -> None:
    row = {"i": 1, "f": 1.5, "t": "x", "b": True, "d": date(2026, 1, 2), "l": [1.0, 2.0], "r": b"\x00"}
    stream = session.read_custom_stream([row, dict.fromkeys(row)])
    assert stream.schema.types[:4] == ["Int64", "Float64", "Utf8", "Boolean"]
    assert emitted(stream) == [[tuple(row.values()), (None,) * len(row)]]


def test_columns_are_those_of_the_first_rows(session: velaria.Session) -> None:
    stream = session.read_custom_stream([{"a": None}, {"b": 1}, {"a": 2.5}])
    assert (stream.columns, stream.schema.types) == (["a", "b"], ["Float64", "Int64"])
    assert emitted(stream) == [[(None, None), (None, 1), (2.5, None)]]
    for rows, text in (
        ([{"a": 1, "b": None}], "column b of the stream source has no value to tell its type by"),
        ([], "the stream source has no rows to tell its columns by"),
        ([{}], "the stream source has no rows to tell its columns by"),
        ([(1, 2)], "schema is required when rows are sequence-based"),
    ):
        with pytest.raises(errors.UsageError, match=text):
            session.read_custom_stream(rows)
    for row in ("text", 7, None):
        with pytest.raises(TypeError, match="rows must contain dicts or sequences"):
            session.read_custom_stream([row])


def test_arrow_items_are_micro_batches(session: velaria.Session) -> None:
    pa = need("pyarrow")
    table = pa.concat_tables([pa.table({"v": [1]}), pa.table({"v": [2, 3]})])

    def items() -> Iterator[Any]:
        yield table
        yield pa.record_batch({"v": [4]})
        yield session.sql("SELECT CAST(5 AS BIGINT) AS v")
        yield {"v": 6}

    assert emitted(session.read_custom_stream(items())) == [[(1,), (2,), (3,)], [(4,)], [(5,)], [(6,)]]
    reader = pa.RecordBatchReader.from_batches(table.schema, table.to_batches())
    assert emitted(session.read_custom_stream(reader)) == [[(1,)], [(2,), (3,)]]
    narrow = session.read_custom_stream(iter([pa.table({"v": pa.array([1], pa.int16())})]), {"v": "BIGINT"})
    assert emitted(narrow) == [[(1,)]]


def test_what_cannot_be_a_source_is_refused(session: velaria.Session) -> None:
    wrong: List[Any] = ["text", b"bytes", {"v": 1}, 7, None]
    for source in wrong:
        with pytest.raises(TypeError, match="cannot make a stream of"):
            session.read_custom_stream(source, {"v": "INT"})
    with pytest.raises(TypeError, match="create_stream_from_arrow takes Arrow data"):
        session.read_custom_stream(session.sql("SELECT 1 AS v"))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("rows", "text"),
    [
        ([{"v": 1}, {"v": "x"}], "Cannot cast string 'x'"),
        ([{"v": 1}, {"w": 2}], "the stream source has no column 'w'"),
        ([{"v": 1}, (1, 2)], "row width does not match stream source schema"),
        ([{"v": 1}, 7], "rows must contain dicts or sequences"),
        ([{"v": 1}, {"v": 1 << 70}], "beyond 64 bits"),
    ],
)
def test_a_row_that_does_not_fit_ends_the_query(session: velaria.Session, rows: List[Any], text: str) -> None:
    stream = session.read_custom_stream(iter(rows), emit_rows=1)
    query = stream.write_stream_custom(lambda emission: None, 0)
    with pytest.raises(velaria.Error) as raised:
        finish(query)
    assert text in str(raised.value)
    assert query.status == "failed"
    assert query.progress()["batches_processed"] <= 1


def test_columns_that_are_declared_leave_others_out(session: velaria.Session) -> None:
    stream = session.read_custom_stream([{"v": 1, "w": 2}], {"v": "BIGINT"})
    assert emitted(stream) == [[(1,)]]


# How rows come.


def test_rows_are_emitted_in_time_although_no_other_comes(session: velaria.Session) -> None:
    feed: "queue.Queue[Any]" = queue.Queue()
    seen: "queue.Queue[Any]" = queue.Queue()
    stream = session.read_custom_stream(iter(feed.get, None), {"v": "INT"}, emit_interval_seconds=0.01, emit_rows=1000)
    query = stream.write_stream_custom(lambda emission: seen.put(emission.fetchall()), 0).start()
    for number in range(3):
        feed.put({"v": number})
        # The source is in `get` and gives nothing more until this has come out at the other end.
        assert seen.get(timeout=WATCHDOG_SECONDS) == [(number,)]
    feed.put(None)
    assert query.await_termination(timeout=WATCHDOG_SECONDS) == 3


def test_a_source_waits_for_a_slow_query(session: velaria.Session) -> None:
    taken = itertools.count()
    last = [0]

    def rows() -> Iterator[Dict[str, int]]:
        for number in taken:
            last[0] = number
            yield {"v": number}

    release = threading.Event()
    entered = threading.Event()

    def sink(emission: velaria.Emission) -> None:
        entered.set()
        assert release.wait(WATCHDOG_SECONDS)

    stream = session.read_custom_stream(rows(), {"v": "INT"}, emit_rows=10)
    query = stream.write_stream_custom(sink, 0, max_inflight_batches=1).start()
    assert entered.wait(WATCHDOG_SECONDS)
    # In the sink, in the queue, at the queue, ready, and in the making: no more, however long the sink takes.
    settled = -1
    while settled != last[0]:
        settled = last[0]
        release.wait(0.2)
    assert settled <= 60
    release.set()
    query.stop()
    assert query.status == "stopped"


def test_a_stream_may_have_no_rows(session: velaria.Session) -> None:
    assert emitted(session.read_custom_stream([], {"v": "INT"})) == []
    assert emitted(session.read_custom_stream(iter(()), {"v": "INT"})) == []


def test_lists_end_and_iterators_may_not(session: velaria.Session) -> None:
    assert '"source_is_bounded":true' in session.read_custom_stream([{"v": 1}]).write_stream_custom(print).snapshot_json()
    assert emitted(session.read_custom_stream([{"v": 2}, {"v": 1}])) == [[(2,), (1,)]]
    session.create_temp_view("endless", session.read_custom_stream(iter([{"v": 1}])))
    with pytest.raises(errors.UnsupportedError, match="ORDER BY requires a bounded source"):
        session.stream_sql("SELECT v FROM endless ORDER BY v")
    session.create_temp_view("short", session.read_custom_stream(iter([{"v": 2}, {"v": 1}]), bounded=True))
    assert emitted(session.stream_sql("SELECT v FROM short ORDER BY v")) == [[(1,), (2,)]]


# How sources end.


def test_an_exception_of_a_source_is_the_cause_of_the_error(session: velaria.Session) -> None:
    class Broken(Exception):
        pass

    def rows() -> Iterator[Dict[str, int]]:
        yield {"v": 1}
        raise Broken("no more")

    stream = session.read_custom_stream(rows(), {"v": "INT"}, emit_rows=1)
    query = stream.write_stream_custom(lambda emission: None, 0).start()
    # A failure is kept: whoever waits later is told as well.
    for _ in range(2):
        with pytest.raises(errors.UsageError, match="the stream source raised Broken: no more") as raised:
            query.await_termination(timeout=WATCHDOG_SECONDS)
        assert raised.value.code == "VEL-7004"
        assert isinstance(raised.value.__cause__, Broken)
        names = [frame.name for frame in traceback.extract_tb(raised.value.__cause__.__traceback__)]
        assert names[-1] == "rows", "its traceback leads to the line"
    assert query.status == "failed"
    assert "VEL-7004" in query.progress()["last_error"]


@pytest.mark.parametrize("exception", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_no_exception_of_a_source_is_lost(session: velaria.Session, exception: Any) -> None:
    class Source:
        def __iter__(self) -> Iterator[Any]:
            return self

        def __next__(self) -> Any:
            raise exception()

    query = session.read_custom_stream(Source(), {"v": "INT"}).write_stream_custom(print, 0)
    with pytest.raises(errors.UsageError) as raised:
        finish(query)
    assert isinstance(raised.value.__cause__, exception)


def test_an_exception_while_columns_are_looked_for_comes_at_once(session: velaria.Session) -> None:
    def rows() -> Iterator[Any]:
        raise LookupError("nothing here")
        yield

    with pytest.raises(LookupError, match="nothing here"):
        session.read_custom_stream(rows())


def test_an_iterator_is_closed_when_its_query_ends(session: velaria.Session) -> None:
    closed: List[str] = []

    def rows(name: str, failing: bool = False) -> Iterator[Dict[str, int]]:
        try:
            for number in itertools.count():
                yield {"v": number if not failing or number < 5 else "x"}  # type: ignore[dict-item]
        finally:
            closed.append(name)

    def start(name: str, **options: Any) -> velaria.StreamingQuery:
        stream = session.read_custom_stream(rows(name, name == "failed"), {"v": "INT"}, emit_rows=2)
        return stream.write_stream_custom(lambda emission: None, 0, **options).start()

    start("stopped").stop()
    assert closed.pop() == "stopped"
    start("enough", max_batches=3).await_termination(timeout=WATCHDOG_SECONDS)
    assert closed.pop() == "enough"
    with pytest.raises(velaria.Error):
        start("failed").await_termination(timeout=WATCHDOG_SECONDS)
    assert closed.pop() == "failed"
    with start("left"):
        pass
    assert closed == ["left"]


def test_a_query_does_not_wait_for_a_source_that_gives_nothing(session: velaria.Session) -> None:
    feed: "queue.Queue[Any]" = queue.Queue()
    closed = threading.Event()

    def rows() -> Iterator[Any]:
        try:
            yield from iter(feed.get, None)
        finally:
            closed.set()

    query = session.read_custom_stream(rows(), {"v": "INT"}).write_stream_custom(print, 0).start()
    query.stop()
    assert query.status == "stopped"
    assert not closed.is_set(), "it is still in get"
    feed.put({"v": 1})
    assert closed.wait(WATCHDOG_SECONDS), "it is closed as soon as it comes back"


def test_an_exception_after_the_end_is_logged(session: velaria.Session, caplog: Any) -> None:
    feed: "queue.Queue[Any]" = queue.Queue()

    def rows() -> Iterator[Any]:
        feed.get()
        raise OSError("the line is dead")
        yield

    query = session.read_custom_stream(rows(), {"v": "INT"}).write_stream_custom(print, 0).start()
    query.stop()
    feed.put(None)
    for thread in threading.enumerate():
        if thread.name.startswith(query.id + "-"):
            thread.join(WATCHDOG_SECONDS)
    (record,) = [record for record in caplog.records if record.name == "velaria.stream"]
    assert "after its query had ended" in record.message and record.exc_info
    query.await_termination()


def test_an_iterator_can_be_read_once(session: velaria.Session) -> None:
    stream = session.read_custom_stream(iter([{"v": 1}]))
    assert emitted(stream) == [[(1,)]]
    with pytest.raises(errors.UsageError, match="the stream source can be read once, and was"):
        emitted(stream)
    rows = [{"v": 1}]
    again = session.read_custom_stream(rows)
    assert emitted(again) == emitted(again) == [[(1,)]]


@pytest.mark.skipif(sys.platform == "win32", reason="SIGINT cannot be sent to oneself there")
def test_ctrl_c_comes_while_a_source_blocks() -> None:
    printed = run_code(
        """
import faulthandler, os, signal, threading, time
faulthandler.dump_traceback_later(60, exit=True)
import velaria
entered = threading.Event()
class Feed:
    def __iter__(self):
        return self
    def __next__(self):
        entered.set()
        time.sleep(3600)
query = velaria.Session().read_custom_stream(Feed(), {"v": "INT"}).write_stream_custom(print, 0).start()
entered.wait()
threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()
try:
    query.await_termination()
except KeyboardInterrupt:
    print("interrupted", query.status)
query.stop()
print(query.status)
"""
    )
    assert printed.split() == ["interrupted", "running", "stopped"]


@pytest.mark.parametrize("ending", ["", "query.stop()", "raise SystemExit(0)", "del query", "feed.put({'v': 1}); feed.put({'v': 2})"])
def test_a_process_ends_whatever_its_threads_do(ending: str) -> None:
    code = """
import queue, threading, time
import velaria
feed, entered = queue.Queue(), threading.Event()
def slow(emission):
    entered.set()
    time.sleep(3600)
blocked = velaria.Session().read_custom_stream([{"v": 1}]).write_stream_custom(slow, 0).start()
entered.wait()
busy = velaria.Session().read_custom_stream(({"v": v} for v in iter(int, 1)), {"v": "INT"}).write_stream_custom(lambda e: None, 0)
busy.on_progress(lambda progress: time.sleep(0.001))
busy.start()
query = velaria.Session().read_custom_stream(iter(feed.get, None), {"v": "INT"}).write_stream_custom(print, 0).start()
""" + ending
    done = run(["-c", code])
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("sink", ["lambda emission: None", "lambda emission: time.sleep(3600)"])
def test_a_query_can_be_stopped_while_the_process_ends(sink: str) -> None:
    # A hook that was registered before the import runs when threads of the program do not come back to it any more.
    code = """
import atexit, queue, time
queries = []
def stop():
    for query in queries:
        query.stop()
        print(query.status)
atexit.register(stop)
import velaria
def start(rows):
    stream = velaria.Session().read_custom_stream(rows, {"v": "INT"}, emit_rows=1)
    queries.append(stream.write_stream_custom(SINK, 0).start())
start(iter(queue.Queue().get, None))
start({"v": v} for v in iter(int, 1))
"""
    done = run(["-c", code.replace("SINK", sink)])
    assert (done.returncode, done.stderr) == (0, "")
    # The one that is busy may have noticed before.
    assert done.stdout.split() in (["stopped", "stopped"], ["stopped", "failed"])


# What survives.


def test_a_source_with_offsets_goes_on_after_a_restart(session: velaria.Session, tmp_path: Path) -> None:
    totals: List[Any] = []
    source = Numbers(6)

    def query() -> velaria.StreamingQuery:
        stream = session.read_custom_stream(source, {"v": "BIGINT"}, emit_rows=2)
        session.create_temp_view("numbers", stream)
        session.create_stream_sink("totals", lambda emission: totals.extend(emission.fetchall()))
        return session.start_stream_sql(
            "INSERT INTO totals SELECT SUM(v) AS s FROM numbers", trigger_interval_ms=0, checkpoint_path=tmp_path / "kept", max_batches=1
        )

    first = query()
    assert first.await_termination(timeout=WATCHDOG_SECONDS) == 1
    assert first.progress()["last_source_offset"] == "2"
    assert totals == [(0 + 1,)]
    # As after a crash: another session, and an object that begins anew.
    session, source = velaria.Session(), Numbers(8)
    second = query()
    assert second.await_termination(timeout=WATCHDOG_SECONDS) == 1
    assert totals == [(1,), (0 + 1 + 2 + 3,)]
    assert source.seeks[-1] == 2
    session = velaria.Session()
    query().await_termination(timeout=WATCHDOG_SECONDS)
    assert totals[-1] == (sum(range(6)),)


def test_an_offset_is_any_json(session: velaria.Session, tmp_path: Path) -> None:
    class Partitions(Numbers):
        def offset(self) -> Any:
            return {"part": [self.next, "é"]}

        def seek(self, offset: Any) -> None:
            self.seeks.append(offset)
            self.next = offset["part"][0]

    for bound in (3, 5):
        source = Partitions(bound)
        stream = session.read_custom_stream(source, {"v": "INT"}, emit_rows=1)
        finish(stream.write_stream_custom(lambda emission: None, 0, checkpoint_path=tmp_path / "kept"))
    assert source.seeks == [{"part": [3, "é"]}]


def test_without_a_checkpoint_a_source_begins_where_it_stood(session: velaria.Session) -> None:
    source = Numbers(3)
    source.next = 1
    stream = session.read_custom_stream(source)
    assert emitted(stream) == emitted(stream) == [[(1,), (2,)]]
    assert source.seeks == [1, 1]


def test_a_list_goes_on_at_the_item(session: velaria.Session, tmp_path: Path) -> None:
    rows = [{"v": v} for v in range(5)]
    seen: List[Any] = []

    def once(**options: Any) -> None:
        stream = velaria.Session().read_custom_stream(rows, emit_rows=2)
        finish(stream.write_stream_custom(lambda e: seen.append(e.fetchall()), 0, checkpoint_path=tmp_path / "kept", **options))

    once(max_batches=1)
    once()
    assert seen == [[(0,), (1,)], [(2,), (3,)], [(4,)]]
    del rows[3:]
    with pytest.raises(errors.UsageError, match="has 2 items less than were read before"):
        once()


def test_what_cannot_go_on_says_so(session: velaria.Session, tmp_path: Path) -> None:
    class Again:
        def __iter__(self) -> Iterator[Dict[str, int]]:
            return iter([{"v": 1}])

    for source in (lambda: iter([{"v": 1}]), Again):
        folder = tmp_path / getattr(source, "__name__").strip("<>")
        query = lambda: session.read_custom_stream(source(), {"v": "INT"}).write_stream_custom(print, 0, checkpoint_path=folder)
        finish(query())
        with pytest.raises(errors.UsageError, match="the stream source cannot go on after item 1"):
            query().start()
        with pytest.raises(errors.UsageError, match="exactly-once needs sources that can go back"):
            session.read_custom_stream(source(), {"v": "INT"}).write_stream_csv(
                tmp_path / "out.csv", checkpoint_path=tmp_path / "other", checkpoint_delivery_mode="exactly-once"
            )


def test_rows_are_written_exactly_once_from_a_source_with_offsets(session: velaria.Session, tmp_path: Path) -> None:
    for bound in (3, 7):
        stream = session.read_custom_stream(Numbers(bound), emit_rows=2)
        finish(
            stream.write_stream_csv(
                tmp_path / "out.csv",
                trigger_interval_ms=0,
                checkpoint_path=tmp_path / "kept",
                checkpoint_delivery_mode="exactly-once",
            )
        )
    assert (tmp_path / "out.csv").read_text().split() == ["v", *map(str, range(7))]


def test_a_source_with_offsets_is_read_by_one_query_at_a_time(session: velaria.Session) -> None:
    feed: "queue.Queue[Any]" = queue.Queue()

    class Source(Numbers):
        def __iter__(self) -> Iterator[Any]:
            return iter(feed.get, None)

    stream = session.read_custom_stream(Source(1), {"v": "INT"})
    query = stream.write_stream_custom(print, 0).start()
    with pytest.raises(errors.UsageError, match="read by another query"):
        stream.write_stream_custom(print, 0).start()
    feed.put(None)
    query.await_termination(timeout=WATCHDOG_SECONDS)
    feed.put(None)
    finish(stream.write_stream_custom(print, 0))


# Sinks.


def test_an_emission_is_an_arrow_stream(session: velaria.Session) -> None:
    seen: List[velaria.Emission] = []
    finish(session.read_custom_stream([{"k": "a", "v": 1}, {"k": "b", "v": 2}]).write_stream_custom(seen.append, 0))
    (emission,) = seen
    assert (emission.epoch, len(emission), emission.columns) == (1, 2, ["k", "v"])
    assert emission.schema.types == ["Utf8", "Int64"]
    assert emission.fetchall() == [("a", 1), ("b", 2)]
    assert repr(emission) == "<velaria.Emission 1: 2 rows of k, v>"
    # It can be read more than once, and after the query.
    for _ in range(2):
        assert session.create_dataframe_from_arrow(emission).fetchall() == [("a", 1), ("b", 2)]
    with pytest.raises(TypeError, match="cannot create 'velaria.Emission' instances"):
        velaria.Emission()


def test_an_emission_goes_into_other_libraries(session: velaria.Session) -> None:
    pa, pl = need("pyarrow"), need("polars")
    seen: List[velaria.Emission] = []
    finish(session.read_custom_stream([{"v": 1}]).write_stream_custom(seen.append, 0))
    assert seen[0].to_arrow().to_pydict() == {"v": [1]}
    assert pa.schema(seen[0]) == pa.schema([("v", pa.int64())])
    assert pa.table(seen[0], schema=pa.schema([("v", pa.int32())])).schema.field("v").type == pa.int32()
    assert pl.DataFrame(seen[0]).rows() == [(1,)]


def test_micro_batches_without_rows_are_not_emitted(session: velaria.Session) -> None:
    stream = session.read_custom_stream([{"v": v} for v in range(4)], emit_rows=1)
    assert emitted(stream.filter("v", "=", 2)) == [[(2,)]]


def test_a_sink_is_a_function_or_writes_batches(session: velaria.Session) -> None:
    class Sink:
        def __init__(self) -> None:
            self.calls: List[Any] = []

        def write_batch(self, batch: Any) -> None:
            self.calls.append(batch.fetchall())

        def close(self) -> None:
            self.calls.append("closed")

    sink = Sink()
    finish(session.read_custom_stream([{"v": 1}, {"v": 2}], emit_rows=1).write_stream_custom(sink, 0))
    assert sink.calls == [[(1,)], [(2,)], "closed"]
    queue_sink = session.create_realtime_stream_sink()
    finish(session.read_custom_stream([{"v": 1}]).write_stream_custom(queue_sink, 0))
    polled = queue_sink.poll()
    assert polled is not None and polled.fetchall() == [(1,)]
    for wrong in (3, None, "print"):
        for call in (session.read_custom_stream([{"v": 1}]).write_stream_custom, lambda sink: session.create_stream_sink("s", sink)):
            with pytest.raises(TypeError, match="sink must be a RealtimeStreamSink, a function of an emission"):
                call(wrong)  # type: ignore[operator]


def test_a_sink_of_the_original_gets_whole_tables(session: velaria.Session) -> None:
    pa = need("pyarrow")
    seen: List[Any] = []
    sink = velaria.CustomArrowStreamSink(seen.append, emit_interval_seconds=60, emit_rows=3)
    stream = session.read_custom_stream([{"v": v} for v in range(8)], emit_rows=2)
    assert finish(stream.write_stream_custom(sink, 0)) == 4
    assert [table.column("v").to_pylist() for table in seen] == [[0, 1, 2, 3], [4, 5, 6, 7]]
    assert isinstance(seen[0], pa.Table)


def test_a_sink_of_the_original_emits_in_time_although_nothing_comes(session: velaria.Session) -> None:
    need("pyarrow")
    feed: "queue.Queue[Any]" = queue.Queue()
    seen: "queue.Queue[Any]" = queue.Queue()
    sink = velaria.CustomArrowStreamSink(seen.put, emit_interval_seconds=0.02, emit_rows=1000)
    stream = session.read_custom_stream(iter(feed.get, None), {"v": "INT"}, emit_rows=1)
    with stream.write_stream_custom(sink, 0).start():
        feed.put({"v": 1})
        assert seen.get(timeout=WATCHDOG_SECONDS).to_pydict() == {"v": [1]}
        feed.put(None)


def test_nothing_waits_in_a_sink_behind_a_commit(session: velaria.Session, tmp_path: Path) -> None:
    need("pyarrow")
    seen: List[Any] = []
    sink = velaria.CustomArrowStreamSink(lambda table: seen.append(table.num_rows), emit_interval_seconds=60, emit_rows=1000)
    stream = session.read_custom_stream([{"v": v} for v in range(3)], emit_rows=1)
    finish(stream.write_stream_custom(sink, 0, checkpoint_path=tmp_path / "kept"))
    assert seen == [1, 1, 1]


def test_an_exception_of_a_sink_is_the_cause_of_the_error(session: velaria.Session, tmp_path: Path) -> None:
    seen: List[Any] = []

    def sink(emission: velaria.Emission) -> None:
        if len(seen) == 1:
            raise ConnectionError("gone")
        seen.append((emission.epoch, emission.fetchall()))

    def query() -> velaria.StreamingQuery:
        stream = session.read_custom_stream([{"v": v} for v in range(3)], emit_rows=1)
        return stream.write_stream_custom(sink, 0, checkpoint_path=tmp_path / "kept")

    with pytest.raises(errors.UsageError, match="the stream sink raised ConnectionError: gone") as raised:
        finish(query())
    assert isinstance(raised.value.__cause__, ConnectionError)
    # What was not taken is emitted again, under the number that it would have had.
    first = list(seen)
    seen.clear()
    sink_before, sink = sink, lambda emission: seen.append((emission.epoch, emission.fetchall()))
    finish(query())
    assert first + seen == [(1, [(0,)]), (2, [(1,)]), (3, [(2,)])]


def test_a_sink_that_cannot_be_closed_is_told(session: velaria.Session) -> None:
    class Sink:
        def write_batch(self, batch: Any) -> None:
            pass

        def close(self) -> None:
            raise OSError("disk full")

    with pytest.raises(errors.UsageError, match="the stream sink raised OSError: disk full"):
        finish(session.read_custom_stream([{"v": 1}]).write_stream_custom(Sink(), 0))


def test_a_sink_can_stop_its_query(session: velaria.Session) -> None:
    seen: List[int] = []
    refused: List[velaria.Error] = []

    def sink(emission: velaria.Emission) -> None:
        seen.append(emission.epoch)
        if len(seen) == 3:
            query.stop()
            try:
                query.await_termination()
            except velaria.Error as error:
                refused.append(error)

    query = session.read_custom_stream(({"v": v} for v in itertools.count()), emit_rows=5).write_stream_custom(sink, 0)
    finish(query)
    assert seen == [1, 2, 3] and query.progress()["batches_processed"] == 3
    assert "cannot wait for the query" in str(refused[0])


def test_a_query_does_not_wait_for_a_sink_that_does_not_come_back(session: velaria.Session) -> None:
    entered, release, closed = threading.Event(), threading.Event(), threading.Event()

    class Sink:
        def write_batch(self, batch: Any) -> None:
            entered.set()
            release.wait(WATCHDOG_SECONDS)

        def close(self) -> None:
            closed.set()

    query = session.read_custom_stream([{"v": 1}, {"v": 2}], emit_rows=1).write_stream_custom(Sink(), 0).start()
    assert entered.wait(WATCHDOG_SECONDS)
    query.stop()
    assert query.status == "stopped" and query.progress()["batches_processed"] == 0
    assert not closed.is_set()
    release.set()
    assert closed.wait(WATCHDOG_SECONDS)


class Stuck:
    """A sink that cannot be closed before it is released."""

    def __init__(self) -> None:
        self.closing, self.release = threading.Event(), threading.Event()

    def write_batch(self, batch: Any) -> None:
        pass

    def close(self) -> None:
        self.closing.set()
        self.release.wait()


def test_a_query_whose_sink_does_not_close_can_be_stopped(session: velaria.Session) -> None:
    sink = Stuck()
    query = session.read_custom_stream([{"v": 1}]).write_stream_custom(sink, 0).start()
    assert sink.closing.wait(WATCHDOG_SECONDS)
    assert query.status != "stopped"
    query.stop()
    assert query.status == "stopped" and query.progress()["batches_processed"] == 1
    sink.release.set()


def test_a_query_that_cannot_start_does_not_wait_for_its_sink(session: velaria.Session) -> None:
    stream = session.read_custom_stream(iter([{"v": 1}]))
    finish(stream.write_stream_custom(lambda emission: None, 0))
    sink = Stuck()
    with pytest.raises(errors.UsageError, match="can be read once"):
        stream.write_stream_custom(sink, 0).start()
    assert sink.closing.wait(WATCHDOG_SECONDS)
    sink.release.set()


# Progress.


def test_callbacks_are_told_the_progress(session: velaria.Session) -> None:
    seen: List[Dict[str, Any]] = []
    stream = session.read_custom_stream([{"v": v} for v in range(4)], emit_rows=1)
    query = stream.write_stream_custom(lambda emission: None, 0)
    assert query.on_progress(seen.append) == seen.append
    assert seen == []
    assert query.await_termination(timeout=WATCHDOG_SECONDS) == 4
    assert seen[-1] == query.progress()
    assert (seen[-1]["status"], seen[-1]["batches_processed"]) == ("stopped", 4)
    counts = [progress["batches_processed"] for progress in seen]
    assert counts == sorted(counts)
    query.start()
    query.await_termination(timeout=WATCHDOG_SECONDS)
    assert [progress["status"] for progress in seen].count("stopped") == 2
    with pytest.raises(TypeError, match="callback must be callable"):
        query.on_progress(3)  # type: ignore[type-var]


def test_every_micro_batch_is_told_to_who_is_quick_enough(session: velaria.Session) -> None:
    told: "queue.Queue[int]" = queue.Queue()
    feed: "queue.Queue[Any]" = queue.Queue()
    stream = session.read_custom_stream(iter(feed.get, None), {"v": "INT"}, emit_rows=1)
    query = stream.write_stream_custom(lambda emission: None, 0).start()

    @query.on_progress
    def tell(progress: Dict[str, Any]) -> None:
        told.put(progress["batches_processed"])

    for count in range(1, 4):
        feed.put({"v": count})
        while told.get(timeout=WATCHDOG_SECONDS) != count:
            pass
    feed.put(None)
    query.stop()


def test_an_exception_of_a_callback_is_logged_and_nothing_else(session: velaria.Session, caplog: Any) -> None:
    seen: List[str] = []

    def broken(progress: Dict[str, Any]) -> None:
        progress.clear()
        raise ZeroDivisionError("oops")

    query = session.read_custom_stream([{"v": 1}]).write_stream_custom(lambda emission: None, 0)
    query.on_progress(broken)
    query.on_progress(lambda progress: seen.append(progress["status"]))
    assert finish(query) == 1
    assert seen[-1] == "stopped"
    records = [record for record in caplog.records if record.name == "velaria.stream"]
    assert records and all(record.levelno == logging.ERROR and query.id in record.message for record in records)


def test_a_callback_can_stop_its_query(session: velaria.Session) -> None:
    query = session.read_custom_stream(({"v": v} for v in itertools.count()), emit_rows=1).write_stream_custom(lambda e: None, 0)
    query.on_progress(lambda progress: query.stop() if progress["batches_processed"] >= 5 else None)
    assert finish(query) >= 5
    assert query.status == "stopped"


def test_a_query_goes_on_although_its_callbacks_get_no_thread(
    session: velaria.Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = threading.Thread.start

    def refuse(thread: threading.Thread) -> None:
        if thread.name.endswith("-progress"):
            raise RuntimeError("can't start new thread")
        start(thread)

    feed: "queue.Queue[Any]" = queue.Queue()
    stream = session.read_custom_stream(iter(feed.get, None), {"v": "INT"})
    query = stream.write_stream_custom(lambda emission: None, 0)
    query.on_progress(lambda progress: None)
    monkeypatch.setattr(threading.Thread, "start", refuse)
    with pytest.raises(RuntimeError, match="can't start new thread"):
        query.start()
    feed.put(None)
    assert query.await_termination(timeout=WATCHDOG_SECONDS) == 0


def test_the_progress_of_a_failure_is_told(session: velaria.Session) -> None:
    seen: List[Dict[str, Any]] = []

    def rows() -> Iterator[Any]:
        raise OSError("dead")
        yield

    query = session.read_custom_stream(rows(), {"v": "INT"}).write_stream_custom(print, 0)
    query.on_progress(seen.append)
    with pytest.raises(velaria.Error):
        finish(query)
    assert seen[-1]["status"] == "failed" and "VEL-7004" in seen[-1]["last_error"]
    assert "stopped" not in [progress["status"] for progress in seen]


# Nothing is left behind.


def test_a_query_that_nobody_holds_is_stopped_although_its_callback_mentions_it(session: velaria.Session) -> None:
    class Marker:
        pass

    def make() -> "weakref.ref[Marker]":
        marker = Marker()
        query = session.read_custom_stream([{"v": 1}]).write_stream_custom(lambda emission: None, 0)
        query.on_progress(lambda progress, marker=marker: query.status)
        return weakref.ref(marker)

    reference = make()
    gc.collect()
    assert reference() is None


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="counts the open files of Linux")
def test_a_thousand_cycles_leave_nothing(session: velaria.Session) -> None:
    def cycle(number: int) -> None:
        stream = session.read_custom_stream(({"v": v} for v in itertools.count()), {"v": "INT"}, emit_rows=4)
        query = stream.write_stream_custom(lambda emission: None, 0)
        if number % 10 == 0:
            query.on_progress(lambda progress: query.id)
        query.start()
        query.stop()

    def state() -> Tuple[int, int]:
        gc.collect()
        return threading.active_count(), len(os.listdir("/proc/self/fd"))

    def threads() -> int:
        return len(os.listdir("/proc/self/task"))

    # Other tests may have left threads in calls that do not come back.
    others = set(threading.enumerate())
    for number in range(20):
        cycle(number)
    before, tasks = state(), threads()
    for number in range(1000):
        cycle(number)
    # A thread of a query that was stopped may still be on its way out.
    for thread in set(threading.enumerate()) - others:
        thread.join(WATCHDOG_SECONDS)
    after = state()
    assert after[0] <= before[0] and after[1] <= before[1]
    assert threads() <= tasks + 2


def test_sources_and_sinks_need_no_optional_package() -> None:
    printed = run_code(
        """
import sys, velaria
seen = []
session = velaria.Session()
session.read_custom_stream([{"v": 1}]).write_stream_custom(lambda e: seen.append(e.fetchall()), 0).await_termination()
assert velaria.CustomArrowStreamSource and "velaria.custom_stream" in sys.modules
print(seen, {"pyarrow", "pandas", "polars", "numpy"}.intersection(sys.modules))
"""
    )
    assert printed == "[[(1,)]] set()\n"


def test_importing_the_package_does_not_import_the_threads() -> None:
    printed = run_code("import sys, velaria; print([name for name in sys.modules if name.startswith('velaria.')])")
    assert "custom_stream" not in printed and "_threads" not in printed

"""Streams: their frames, queries, realtime sources and sinks, and what survives a stop."""

import csv
import json
import os
import sys
import threading
import time
from pathlib import Path
from typing import Any, Dict, Iterator, List

import pytest

import velaria
from support import DATA, WATCHDOG_SECONDS, need, run, run_code
from velaria import errors

# The fixed part of the progress, in its order.
CONTRACT_FIELDS = """query_id status requested_execution_mode execution_mode execution_reason transport_mode
checkpoint_delivery_mode batches_pulled batches_processed blocked_count max_backlog_batches inflight_batches
inflight_partitions last_batch_latency_ms last_sink_latency_ms last_state_latency_ms last_source_offset backpressure_active
actor_eligible used_actor_runtime used_shared_memory has_stateful_ops has_window sink_is_blocking source_is_bounded
estimated_partitions projected_payload_bytes sampled_batches sampled_rows_per_batch average_projected_payload_bytes
actor_speedup compute_to_overhead_ratio estimated_state_size_bytes estimated_batch_cost backpressure_max_queue_batches
backpressure_high_watermark backpressure_low_watermark""".split()

# Two micro-batches, of three rows and of two.
TWO_BATCHES = [{"key": ["a", "b", "a"], "v": [1, 2, 3]}, {"key": ["a", "c"], "v": [10, 20]}]


def sink_table(session: velaria.Session, name: str, path: Path, columns: str) -> None:
    session.sql("CREATE SINK TABLE {} ({}) USING csv OPTIONS(path '{}', delimiter ',')".format(name, columns, path))


def lines(path: Path) -> List[List[str]]:
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


def drained(sink: velaria.RealtimeStreamSink) -> List[Any]:
    return [row for frame in iter(sink.poll, None) for row in frame.fetchall()]


def emitted(frame: velaria.StreamingDataFrame, session: velaria.Session, **options: Any) -> List[Any]:
    """The rows of all emissions of a query over a stream that ends."""
    sink = session.create_realtime_stream_sink()
    options.setdefault("trigger_interval_ms", 0)
    frame.write_stream_queue_sink(sink, **options).start().await_termination(timeout=WATCHDOG_SECONDS)
    return drained(sink)


@pytest.fixture
def two_batches(session: velaria.Session) -> velaria.StreamingDataFrame:
    frame = session.create_stream_from_arrow(TWO_BATCHES)
    session.create_temp_view("events", frame)
    return frame


def test_the_totals_of_touched_keys_are_written(session: velaria.Session, two_batches: Any, tmp_path: Path) -> None:
    sink_table(session, "out", tmp_path / "out.csv", "k STRING, s INT")
    query = session.start_stream_sql("INSERT INTO out SELECT key, SUM(v) AS s FROM events GROUP BY key", trigger_interval_ms=0)
    assert query.start() is query
    assert query.await_termination() == 2
    assert lines(tmp_path / "out.csv") == [["k", "s"], ["a", "4"], ["b", "2"], ["a", "14"], ["c", "20"]]
    progress = query.progress()
    assert (progress["status"], progress["batches_processed"], progress["last_source_offset"]) == ("stopped", 2, "2")


def test_several_totals_of_a_key(session: velaria.Session, two_batches: Any) -> None:
    totals = "SELECT key, SUM(v) AS s, COUNT(*) AS n, AVG(v) AS a, MIN(v) AS lo, MAX(v) AS hi FROM events GROUP BY key"
    assert emitted(session.stream_sql(totals), session) == [
        ("a", 4, 2, 2.0, 1, 3),
        ("b", 2, 1, 2.0, 2, 2),
        ("a", 14, 3, 14 / 3, 1, 10),
        ("c", 20, 1, 20.0, 20, 20),
    ]
    assert emitted(session.stream_sql("SELECT SUM(v) AS s FROM events"), session) == [(6,), (36,)]
    count = session.stream_sql("SELECT COUNT(*) FROM events")
    assert emitted(count, session) == [(3,), (5,)]


def test_sliding_windows(session: velaria.Session) -> None:
    times = ["2026-03-29T10:00:00", "2026-03-29T10:00:10", "2026-03-29T10:00:35"]
    stream = session.create_stream_from_arrow({"ts": times, "v": [1, 1, 1]})
    frame = stream.window("ts", 60000, "w", 30000).group_count(["w"], True)
    expected = [("2026-03-29T09:59:30", 2), ("2026-03-29T10:00:00", 3), ("2026-03-29T10:00:30", 1)]
    assert emitted(frame, session) == expected
    session.create_temp_view("times", stream)
    text = "SELECT w, COUNT(*) AS count FROM times WINDOW BY ts EVERY 60000 SLIDE 30000 AS w GROUP BY w"
    assert emitted(session.stream_sql(text), session) == expected


# The cases that the original's own tests ask for.


def test_a_batch_query_reads_what_was_registered(session: velaria.Session) -> None:
    session.create_temp_view("numbers", session.create_dataframe_from_arrow({"id": [1, 2, 3], "v": [10, 20, 30]}))
    assert session.sql("SELECT id, v FROM numbers WHERE v > 15").to_rows()["rows"] == [[2, 20], [3, 30]]


def test_windowed_totals_reach_a_file(session: velaria.Session, tmp_path: Path) -> None:
    session.create_temp_view(
        "visits",
        session.create_stream_from_arrow(
            {
                "ts": ["2026-03-29T10:00:00", "2026-03-29T10:00:20", "2026-03-29T10:01:10"],
                "segment": ["web", "web", "app"],
                "amount": [10, 5, 7],
            }
        ),
    )
    sink_table(session, "by_window", tmp_path / "w.csv", "window_start STRING, segment STRING, total INT")
    query = session.start_stream_sql(
        "INSERT INTO by_window SELECT window_start, segment, SUM(amount) AS total FROM visits "
        "WINDOW BY ts EVERY 60000 AS window_start GROUP BY window_start, segment HAVING total > 7",
        trigger_interval_ms=0,
    )
    assert query.start().await_termination() == 1
    with open(tmp_path / "w.csv", newline="", encoding="utf-8") as file:
        assert list(csv.DictReader(file)) == [{"window_start": "2026-03-29T10:00:00", "segment": "web", "total": "15"}]
    assert query.progress()["status"] == "stopped"
    assert query.progress()["execution_mode"] == "single-process"
    assert json.loads(query.snapshot_json())["status"] == "stopped"


def test_local_workers_are_used_when_there_are_several(session: velaria.Session, two_batches: Any, tmp_path: Path) -> None:
    sink_table(session, "spread", tmp_path / "spread.csv", "k STRING, s INT")
    text = "INSERT INTO spread SELECT key, SUM(v) AS s FROM events GROUP BY key"
    query = session.start_stream_sql(text, trigger_interval_ms=0, execution_mode="local-workers", local_workers=4)
    query.start()
    query.await_termination()
    progress = query.progress()
    assert progress["execution_mode"] == "local-workers"
    assert progress["actor_eligible"] and progress["used_actor_runtime"]
    assert progress["transport_mode"] in {"shared-memory", "rpc-copy"}
    assert lines(tmp_path / "spread.csv")[1:] == [["a", "4"], ["b", "2"], ["a", "14"], ["c", "20"]]


def test_one_worker_is_no_spreading(session: velaria.Session, two_batches: Any) -> None:
    sink = session.create_realtime_stream_sink()
    frame = session.stream_sql("SELECT key, SUM(v) AS s FROM events GROUP BY key", execution_mode="local-workers", local_workers=0)
    query = frame.write_stream_queue_sink(sink, 0, execution_mode="local-workers", local_workers=0)
    query.start().await_termination()
    progress = query.progress()
    assert not progress["used_actor_runtime"]
    assert progress["transport_mode"] == "inproc"
    assert "local_workers > 1" in progress["execution_reason"]


def test_explain_has_three_sections_and_the_decision(session: velaria.Session) -> None:
    session.create_temp_view("facts", session.create_stream_from_arrow({"segment": ["a"], "bucket": [1], "v": [2]}))
    grouped = "SELECT segment, bucket, SUM(v) AS s FROM facts GROUP BY segment, bucket"
    text = session.explain_stream_sql(
        grouped, checkpoint_delivery_mode="best-effort", execution_mode="local-workers", local_workers=4
    )
    assert text.startswith("logical\n") and "\nphysical\n" in text and "\nstrategy\n" in text
    for part in (
        "Aggregate keys=[segment, bucket]",
        "actor_eligible=true",
        "selected_mode=local-workers",
        "checkpoint_delivery_mode=best-effort",
    ):
        assert part in text
    text = session.explain_stream_sql(grouped + " HAVING SUM(v) > 1", execution_mode="local-workers", local_workers=4)
    assert "actor_eligible=false" in text
    assert "reason=actor acceleration requires the aggregate hot path to be the final stream transform" in text


def test_batches_of_a_reader_are_micro_batches(session: velaria.Session, tmp_path: Path) -> None:
    pa = need("pyarrow")
    batches = [pa.record_batch({"id": [1, 2]}), pa.record_batch({"id": [3]})]
    reader = pa.RecordBatchReader.from_batches(batches[0].schema, batches)
    session.create_temp_view("ids", session.create_stream_from_arrow(reader))
    sink_table(session, "kept", tmp_path / "kept.csv", "id INT")
    query = session.start_stream_sql("INSERT INTO kept SELECT id FROM ids WHERE id > 1", trigger_interval_ms=0)
    assert query.start().await_termination() == 2
    progress = query.progress()
    assert (progress["batches_processed"], progress["last_source_offset"]) == (2, "2")
    assert lines(tmp_path / "kept.csv") == [["id"], ["2"], ["3"]]


def test_an_object_that_streams_arrow_is_a_stream(session: velaria.Session) -> None:
    class Wrapper:
        def __arrow_c_stream__(self) -> Any:
            return session.sql("SELECT 7 AS id").__arrow_c_stream__()

    assert emitted(session.create_stream_from_arrow(Wrapper()), session) == [(7,)]


# Frames.


def test_methods_make_new_frames(session: velaria.Session, two_batches: velaria.StreamingDataFrame) -> None:
    assert two_batches.columns == ["key", "v"]
    assert emitted(two_batches.select(["v"]), session) == [(1,), (2,), (3,), (10,), (20,)]
    assert emitted(two_batches.filter("v", ">=", 3), session) == [("a", 3), ("a", 10), ("c", 20)]
    assert emitted(two_batches.filter("key", "!=", "a"), session) == [("b", 2), ("c", 20)]
    assert emitted(two_batches.with_column("w", "v").drop("v").drop("nothing"), session)[0] == ("a", 1)
    assert emitted(two_batches.limit(4), session) == [("a", 1), ("b", 2), ("a", 3), ("a", 10)]
    assert two_batches.columns == ["key", "v"]


def test_groups_are_of_a_micro_batch_unless_they_are_stateful(
    session: velaria.Session, two_batches: velaria.StreamingDataFrame
) -> None:
    assert emitted(two_batches.group_sum(["key"], "v"), session) == [("a", 4), ("b", 2), ("a", 10), ("c", 20)]
    assert emitted(two_batches.group_sum(["key"], "v", True, "s"), session) == [("a", 4), ("b", 2), ("a", 14), ("c", 20)]
    assert emitted(two_batches.group_count(["key"]), session) == [("a", 2), ("b", 1), ("a", 1), ("c", 1)]
    frame = two_batches.group_count(["key"], stateful=True, output_column="n")
    assert frame.columns == ["key", "n"]
    assert emitted(frame, session) == [("a", 2), ("b", 1), ("a", 3), ("c", 1)]


def test_arguments_of_frames_are_checked(two_batches: velaria.StreamingDataFrame) -> None:
    frame: Any = two_batches
    for wrong, text in (
        (lambda: frame.select("key"), "columns must be a sequence of strings"),
        (lambda: frame.select(3), "columns must be a sequence of strings"),
        (lambda: frame.select(["key", 3]), "columns must contain only strings"),
        (lambda: frame.group_count("key"), "keys must be a sequence of strings"),
        (lambda: frame.filter("v", "=", object()), "value must be None, int, float, bool, or string"),
    ):
        with pytest.raises(TypeError) as raised:
            wrong()
        assert text in str(raised.value)
        assert isinstance(raised.value, velaria.Error)
    for refused, text in (
        (lambda: frame.filter("v", "~", 1), "unsupported filter op: ~"),
        (lambda: frame.window("v", 0), "window size must be positive"),
        (lambda: frame.window("v", 10, "w", 11), "window slide must be <= window size"),
        (lambda: frame.window("v", -1), "window_ms must be a whole number from 0 on"),
        (lambda: frame.limit(-1), "n must be a whole number from 0 on"),
        (lambda: frame.select(["nope"]), "nope"),
        (lambda: frame.filter("nope", "=", 1), "nope"),
    ):
        with pytest.raises(ValueError) as raised_value:
            refused()
        assert text in str(raised_value.value)
        assert isinstance(raised_value.value, velaria.Error)


def test_streams_are_not_made_by_hand() -> None:
    for name in ("StreamingDataFrame", "StreamingQuery", "RealtimeStreamSource", "RealtimeStreamSink"):
        with pytest.raises(TypeError, match="cannot create 'velaria.{}' instances".format(name)):
            getattr(velaria, name)()


def test_names_of_streams_are_taken_once(session: velaria.Session, two_batches: velaria.StreamingDataFrame) -> None:
    with pytest.raises(errors.CatalogError, match="table already exists: events"):
        session.create_temp_view("events", two_batches)
    with pytest.raises(errors.CatalogError, match="table already exists: events"):
        session.create_temp_view("events", session.sql("SELECT 1 AS a"))
    with pytest.raises(TypeError, match="create_temp_view expects a DataFrame or StreamingDataFrame"):
        session.create_temp_view("other", 3)  # type: ignore[arg-type]


def test_reprs_say_what_they_are(session: velaria.Session, two_batches: velaria.StreamingDataFrame) -> None:
    assert repr(two_batches) == "<velaria.StreamingDataFrame [key: Utf8, v: Int64]>"
    query = two_batches.write_stream_queue_sink(session.create_realtime_stream_sink())
    assert repr(query) == "<velaria.StreamingQuery {} created>".format(query.id)
    source = session.create_realtime_stream_source({"a": "INT"})
    assert repr(source) == "<velaria.RealtimeStreamSource: its columns are a>"


# Options.


def test_every_option_of_the_engine_is_a_keyword(session: velaria.Session, two_batches: Any) -> None:
    options: Dict[str, Any] = {
        "max_inflight_batches": 4,
        "max_queued_partitions": 9,
        "backpressure_high_watermark": 3,
        "backpressure_low_watermark": 2,
        "idle_wait_ms": 10,
        "max_retained_windows": 0,
        "shared_memory_transport": False,
        "shared_memory_min_payload_bytes": 1,
        "output_mode": "complete",
        "watermark_column": None,
        "watermark_delay_ms": 0,
        "allowed_lateness_ms": 0,
        "idle_timeout_ms": None,
        "max_state_bytes": 1 << 30,
        "checkpoint_interval_ms": 0,
        "accept_duplicates": True,
        "max_batches": 0,
    }
    text = session.explain_stream_sql("SELECT key, SUM(v) AS s FROM events GROUP BY key", **options)
    for line in (
        "backpressure_max_queue_batches=4",
        "backpressure_high_watermark=3",
        "backpressure_low_watermark=2",
        "shared_memory_transport=false",
        "shared_memory_min_payload_bytes=1",
        "output_mode=complete",
    ):
        assert line in text.splitlines()


def test_numbers_do_not_wrap(session: velaria.Session, two_batches: Any) -> None:
    text = "SELECT key FROM events"
    for name in ("trigger_interval_ms", "local_workers", "max_inflight_partitions", "max_batches", "idle_wait_ms"):
        keywords: Dict[str, Any] = {name: -1}
        with pytest.raises(ValueError, match="{} must be a whole number from 0 on".format(name)):
            session.explain_stream_sql(text, **keywords)
    with pytest.raises(OverflowError):
        session.explain_stream_sql(text, local_workers=1 << 64)
    for wrong in ("many", 1.5):
        with pytest.raises(TypeError):
            session.explain_stream_sql(text, local_workers=wrong)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="max_batches must be a whole number from 0 on"):
        session.explain_stream_sql(text, max_batches="many")
    with pytest.raises(TypeError, match="unexpected keyword argument 'speed'"):
        session.explain_stream_sql(text, speed=11)
    with pytest.raises(ValueError, match="execution_mode must be 'single-process' or 'local-workers'"):
        session.explain_stream_sql(text, execution_mode="remote")
    with pytest.raises(ValueError, match="checkpoint_delivery_mode must be 'at-least-once' or 'best-effort'"):
        session.explain_stream_sql(text, checkpoint_delivery_mode="perhaps")


def test_a_delimiter_is_one_character(session: velaria.Session, tmp_path: Path) -> None:
    with pytest.raises(errors.Error, match="delimiter must be a single character"):
        session.read_stream_csv_dir(tmp_path, delimiter=";;")


# Life.


def test_progress_has_the_fields_of_the_contract(session: velaria.Session, two_batches: velaria.StreamingDataFrame) -> None:
    query = two_batches.write_stream_queue_sink(session.create_realtime_stream_sink(), 0)
    progress = query.progress()
    assert list(progress)[: len(CONTRACT_FIELDS)] == CONTRACT_FIELDS
    assert progress["query_id"].startswith("stream-query-") and progress["query_id"] == query.id
    assert (query.status, progress["status"], progress["batches_pulled"]) == ("created", "created", 0)
    query.start().await_termination()
    progress, snapshot = query.progress(), query.snapshot_json()
    moved = [name for name in CONTRACT_FIELDS if name != "checkpoint_delivery_mode"] + ["checkpoint_delivery_mode"]
    assert list(json.loads(snapshot))[: len(moved)] == moved
    assert json.loads(snapshot) == progress
    assert "\n" not in snapshot
    assert isinstance(progress["actor_speedup"], float) and isinstance(progress["compute_to_overhead_ratio"], float)


def test_a_second_wait_has_nothing_to_wait_for(session: velaria.Session, two_batches: velaria.StreamingDataFrame) -> None:
    query = two_batches.write_stream_queue_sink(session.create_realtime_stream_sink(), 0)
    assert query.await_termination() == 2
    assert query.await_termination() == 0
    assert query.status == "stopped"


def test_starting_twice_is_starting_once(session: velaria.Session, two_batches: velaria.StreamingDataFrame) -> None:
    sink = session.create_realtime_stream_sink()
    query = two_batches.write_stream_queue_sink(sink, 0).start()
    while query.status != "stopped":
        time.sleep(0.001)
    assert query.start().await_termination() == 2
    assert len(drained(sink)) == 5
    # Once somebody has waited for it, it can begin again.
    assert query.start().await_termination() == 2
    assert len(drained(sink)) == 5


def test_waiting_for_some_batches_ends_the_query(session: velaria.Session) -> None:
    stream = session.create_stream_from_arrow([{"v": [number]} for number in range(6)])
    sink = session.create_realtime_stream_sink()
    query = stream.write_stream_queue_sink(sink, 0)
    assert query.await_termination(2) == 2
    progress = query.progress()
    assert (progress["batches_processed"], progress["last_source_offset"]) == (2, "2")
    assert drained(sink) == [(0,), (1,)]


@pytest.fixture
def idle(session: velaria.Session) -> Iterator[velaria.StreamingQuery]:
    """A query that waits for rows that nobody sends."""
    source = session.create_realtime_stream_source([("v", "INT")])
    query = session.read_realtime_stream_source(source).write_stream_queue_sink(session.create_realtime_stream_sink(), 0)
    with query.start() as started:
        yield started


def test_stopping_an_idle_query_ends_every_wait(idle: velaria.StreamingQuery) -> None:
    counts: List[int] = []
    waiting = threading.Thread(target=lambda: counts.append(idle.await_termination()))
    waiting.start()
    begun = time.monotonic()
    idle.stop()
    waiting.join(WATCHDOG_SECONDS)
    # Not a measurement: a query that nobody wakes would never end.
    assert time.monotonic() - begun < 5
    assert counts == [0]
    assert idle.status == "stopped"
    idle.stop()


def test_a_wait_ends_with_its_timeout_and_the_query_goes_on(idle: velaria.StreamingQuery) -> None:
    with pytest.raises(TimeoutError) as raised:
        idle.await_termination(timeout=0.01)
    assert isinstance(raised.value, errors.TimeoutError)
    assert raised.value.code == "VEL-8003"
    assert idle.status == "running"
    for wrong in (0, -1, float("nan")):
        with pytest.raises(ValueError):
            idle.await_termination(timeout=wrong)
    with pytest.raises(TypeError, match="timeout expects a number of seconds or a timedelta"):
        idle.await_termination(timeout="long")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="max_batches must be a whole number from 0 on"):
        idle.await_termination(-1)


@pytest.mark.skipif(sys.platform == "win32", reason="SIGINT cannot be sent to oneself there")
def test_ctrl_c_ends_a_wait_and_not_the_query() -> None:
    printed = run_code(
        """
import faulthandler, os, signal, threading, time
faulthandler.dump_traceback_later(20, exit=True)
import velaria
session = velaria.Session()
source = session.create_realtime_stream_source([("v", "INT")])
query = session.read_realtime_stream_source(source).write_stream_queue_sink(session.create_realtime_stream_sink(), 0).start()
threading.Timer(0.2, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
try:
    query.await_termination()
except KeyboardInterrupt:
    print("interrupted", query.status)
query.stop()
print(query.status)
"""
    )
    assert printed.split() == ["interrupted", "running", "stopped"]


def test_a_process_ends_while_a_query_runs() -> None:
    done = run(
        [
            "-c",
            """
import velaria
session = velaria.Session()
source = session.create_realtime_stream_source([("v", "INT")])
query = session.read_realtime_stream_source(source).write_stream_console(0).start()
source.push_rows([[1], [2]])
query.await_termination(1)
query.start()
source.push_rows([[3]])
""",
        ]
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "1" in done.stdout


def test_a_failure_is_kept_and_raised(session: velaria.Session) -> None:
    session.create_temp_view("z", session.create_stream_from_arrow([{"v": [1]}, {"v": [0]}]))
    sink = session.create_realtime_stream_sink()
    query = session.stream_sql("SELECT 10 / v AS q FROM z").write_stream_queue_sink(sink, 0)
    for _ in range(2):
        with pytest.raises(errors.DataError) as raised:
            query.await_termination()
        assert raised.value.code is not None
    progress = query.progress()
    assert progress["status"] == "failed"
    assert raised.value.code in progress["last_error"]
    assert drained(sink) == [(10,)]


def test_a_sink_that_cannot_be_written_is_a_failure(two_batches: velaria.StreamingDataFrame, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    query = two_batches.write_stream_csv(tmp_path / "file" / "below.csv", trigger_interval_ms=0)
    with pytest.raises(errors.IoError):
        query.start().await_termination()
    assert query.status == "failed"


def test_queries_start_and_stop_many_times(session: velaria.Session) -> None:
    source = session.create_realtime_stream_source([("v", "INT")])
    query = session.read_realtime_stream_source(source).write_stream_queue_sink(session.create_realtime_stream_sink(), 0)
    for _ in range(200):
        query.start()
        query.stop()
        assert query.status == "stopped"


def test_many_queries_live_beside_each_other(session: velaria.Session, two_batches: velaria.StreamingDataFrame) -> None:
    sinks = [session.create_realtime_stream_sink() for _ in range(20)]
    queries = [two_batches.write_stream_queue_sink(sink, 0).start() for sink in sinks]
    assert [query.await_termination() for query in queries] == [2] * 20
    assert all(len(drained(sink)) == 5 for sink in sinks)
    assert len({query.id for query in queries}) == 20


# What survives.


def test_a_query_goes_on_from_its_checkpoint(tmp_path: Path) -> None:
    batches = [{"key": ["a"], "v": [number]} for number in (1, 2, 4, 8)]

    def go(max_batches: int) -> velaria.StreamingQuery:
        with velaria.Session() as session:
            session.create_temp_view("events", session.create_stream_from_arrow(batches))
            sink_table(session, "out", tmp_path / "out.csv", "k STRING, s INT")
            query = session.start_stream_sql(
                "INSERT INTO out SELECT key, SUM(v) AS s FROM events GROUP BY key",
                trigger_interval_ms=0,
                checkpoint_path=tmp_path / "checkpoint",
                max_batches=max_batches,
            )
            query.await_termination()
            return query

    assert go(2).progress()["batches_processed"] == 2
    progress = go(0).progress()
    assert (progress["batches_processed"], progress["restored_from_epoch"]) == (4, 2)
    assert [line[1] for line in lines(tmp_path / "out.csv")[1:]] == ["1", "3", "7", "15"]


def test_another_query_is_refused_by_a_checkpoint(session: velaria.Session, two_batches: Any, tmp_path: Path) -> None:
    options: Dict[str, Any] = {"trigger_interval_ms": 0, "checkpoint_path": str(tmp_path / "checkpoint")}
    totals = session.stream_sql("SELECT key, SUM(v) AS s FROM events GROUP BY key")
    assert len(emitted(totals, session, **options)) == 4
    counts = session.stream_sql("SELECT key, COUNT(*) AS n FROM events GROUP BY key")
    query = counts.write_stream_queue_sink(session.create_realtime_stream_sink(), **options)
    with pytest.raises(errors.UsageError) as raised:
        query.start().await_termination()
    assert raised.value.code == "VEL-6103"


def test_a_checkpoint_belongs_to_one_query_at_a_time(session: velaria.Session, tmp_path: Path) -> None:
    def query() -> velaria.StreamingQuery:
        source = session.create_realtime_stream_source([("v", "INT")])
        frame = session.read_realtime_stream_source(source)
        return frame.write_stream_queue_sink(session.create_realtime_stream_sink(), 0, tmp_path / "checkpoint")

    with query().start(), pytest.raises(errors.IoError) as raised:
        query().start().await_termination()
    assert raised.value.code == "VEL-6101"


# Sources and sinks.


def test_a_folder_is_read_file_by_file(session: velaria.Session, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "1.csv").write_text("k,v\na,1\n")
    (tmp_path / "in" / "2.csv").write_text("k,v\nb,2\na,3\n")
    session.create_temp_view("files", session.read_stream_csv_dir(tmp_path / "in"))
    frame = session.stream_sql("SELECT k, SUM(v) AS s FROM files GROUP BY k")
    assert emitted(frame, session, max_batches=2) == [("a", 1), ("b", 2), ("a", 4)]


def test_a_file_that_changed_while_nobody_read_is_an_error(session: velaria.Session, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "1.csv").write_text("k,v\na,1\nb,2\n")
    frame = session.read_stream_csv_dir(tmp_path / "in", rows_per_batch=1)
    options: Dict[str, Any] = {"checkpoint_path": tmp_path / "checkpoint", "max_batches": 1}
    assert emitted(frame, session, **options) == [("a", 1)]
    (tmp_path / "in" / "1.csv").write_text("k,v\n")
    query = frame.write_stream_queue_sink(session.create_realtime_stream_sink(), 0, **options)
    with pytest.raises(errors.DataError) as raised:
        query.await_termination(timeout=WATCHDOG_SECONDS)
    assert raised.value.code == "VEL-6104"


def test_a_folder_may_be_empty_when_its_columns_are_declared(session: velaria.Session, tmp_path: Path) -> None:
    frame = session.read_stream(tmp_path, "json", {"at": "STRING", "page": "STRING"})
    assert frame.columns == ["at", "page"]
    with pytest.raises(errors.UsageError):
        session.read_stream_csv_dir(tmp_path)
    with pytest.raises(errors.UsageError):
        session.read_stream(tmp_path, "parchment")


def test_a_folder_of_json_is_a_stream(session: velaria.Session) -> None:
    frame = session.read_stream(DATA / "stream" / "clicks", "json")
    rows = emitted(frame.window("at", 60000, "w", 30000).group_count(["w"], True), session, max_batches=2)
    assert rows == [
        ("2026-03-29T09:59:30", 2),
        ("2026-03-29T10:00:00", 2),
        ("2026-03-29T10:00:00", 3),
        ("2026-03-29T10:00:30", 1),
    ]


def test_a_sink_of_the_program_has_a_name_in_sql(session: velaria.Session, two_batches: Any) -> None:
    sink = session.create_realtime_stream_sink()
    session.create_stream_sink("out", sink)
    query = session.start_stream_sql("INSERT INTO out SELECT key FROM events WHERE v > 3", trigger_interval_ms=0)
    assert query.await_termination() == 2
    assert drained(sink) == [("a",), ("c",)]
    with pytest.raises(errors.CatalogError, match="table already exists: out"):
        session.create_stream_sink("out", sink)
    with pytest.raises(TypeError, match="sink must be a RealtimeStreamSink"):
        session.create_stream_sink("other", 3)  # type: ignore[arg-type]


def test_a_realtime_source_feeds_a_query_in_another_thread(session: velaria.Session) -> None:
    source = session.create_realtime_stream_source({"key": "STRING", "v": "INT"})
    sink = session.create_realtime_stream_sink()
    frame = session.read_realtime_stream_source(source).group_sum(["key"], "v", True, "s")
    query = frame.write_stream_queue_sink(sink, trigger_interval_ms=0)
    counts: List[int] = []
    waiting = threading.Thread(target=lambda: counts.append(query.await_termination()))
    query.start()
    waiting.start()
    source.push_rows([{"key": "a", "v": 1}, {"key": "b"}, {"v": 4}])
    source.push_rows([("a", 2), ["b", 8]])
    source.push_arrow({"key": ["a"], "v": [16]})
    source.push_rows([])
    source.close()
    waiting.join(WATCHDOG_SECONDS)
    assert counts == [3]
    assert drained(sink) == [("a", 1), ("b", None), (None, 4), ("a", 3), ("b", 8), ("a", 19)]
    assert sink.closed()
    assert sink.poll() is None


def test_polled_rows_are_a_table(session: velaria.Session, two_batches: velaria.StreamingDataFrame) -> None:
    pa = need("pyarrow")
    sink = session.create_realtime_stream_sink()
    two_batches.write_stream_queue_sink(sink, 0).await_termination()
    table = sink.poll_arrow()
    assert isinstance(table, pa.Table)
    assert table.to_pydict() == TWO_BATCHES[0]
    rest = sink.poll_arrow()
    assert rest is not None and rest.to_pydict() == TWO_BATCHES[1]
    assert sink.poll_arrow() is None


def test_columns_of_a_realtime_source_come_from_arrow_too(session: velaria.Session) -> None:
    pa = need("pyarrow")
    schema = pa.schema([("at", pa.timestamp("us")), ("small", pa.int32())])
    source = session.create_realtime_stream_source(schema)
    assert source.schema.types == ["Timestamp(µs)", "Int32"]
    source.push_rows([{"small": 7}])
    source.close()
    assert emitted(session.read_realtime_stream_source(source), session) == [(None, 7)]


def test_what_does_not_fit_a_realtime_source_is_refused(session: velaria.Session) -> None:
    source: Any = session.create_realtime_stream_source({"k": "STRING", "v": "INT32"})
    for rows, text in (
        ([[1]], "row width does not match realtime source schema"),
        ([{"k": "a", "w": 1}], "no column 'w'"),
        ([["a", 1 << 40]], "column v"),
        ([["a", "many"]], "column v"),
    ):
        with pytest.raises(errors.Error, match=text):
            source.push_rows(rows)
    for rows in ([3], ["ab"], 3):
        with pytest.raises(TypeError, match="rows must contain dicts or sequences"):
            source.push_rows(rows)
    with pytest.raises(errors.Error, match="queue stream source schema mismatch"):
        source.push_arrow({"v": [1], "k": ["a"]})
    source.close()
    with pytest.raises(errors.UsageError) as raised:
        source.push_rows([["a", 1]])
    assert raised.value.code == "VEL-7002"


def test_columns_need_types(session: velaria.Session) -> None:
    for columns in (["a", "b"], 3, [("a", 3)], "ab"):
        with pytest.raises(TypeError, match="columns must be an Arrow schema, or a dict or pairs of names and SQL types"):
            session.create_realtime_stream_source(columns)  # type: ignore[arg-type]
    with pytest.raises(errors.Error):
        session.create_realtime_stream_source({"a": "NOTYPE"})


def test_the_console_is_the_stdout_of_python(two_batches: velaria.StreamingDataFrame, capsys: Any) -> None:
    two_batches.select(["key"]).write_stream_console(0).await_termination()
    assert capsys.readouterr().out.split().count("a") == 3


def test_a_csv_file_is_written_with_its_delimiter(two_batches: velaria.StreamingDataFrame, tmp_path: Path) -> None:
    query = two_batches.write_stream_csv(tmp_path / "out.csv", ";", trigger_interval_ms=0)
    assert query.status == "created"
    assert query.await_termination() == 2
    assert (tmp_path / "out.csv").read_text().splitlines()[:2] == ["key;v", "a;1"]


def test_streams_need_no_optional_package() -> None:
    run_code(
        """
import sys, velaria
session = velaria.Session()
stream = session.create_stream_from_arrow([{"a": [1, 2]}, {"a": [3]}])
sink = session.create_realtime_stream_sink()
query = stream.write_stream_queue_sink(sink, 0)
assert query.await_termination() == 2
assert sink.poll().fetchall() == [(1,), (2,)]
assert not {"numpy", "pandas", "polars", "pyarrow"}.intersection(sys.modules)
"""
    )


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_fork_cannot_use_the_queries_of_its_parent() -> None:
    printed = run_code(
        """
import os, velaria
session = velaria.Session()
query = session.create_stream_from_arrow({"a": [1]}).write_stream_queue_sink(session.create_realtime_stream_sink(), 0)
query.await_termination()
child = os.fork()
if child == 0:
    try:
        query.start()
    except velaria.Error as error:
        os._exit(0 if error.code == "VEL-7002" else 1)
    os._exit(2)
print(os.waitpid(child, 0)[1])
"""
    )
    assert printed.split() == ["0"]

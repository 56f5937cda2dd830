#!/usr/bin/env python3
"""What a program in Python pays: for a call, for Arrow data, for a stream larger than memory, and until Ctrl-C is noticed.

Each measurement is a fresh process, repeated; the median counts. Times are printed and compared with nothing but each other.
README.md in this folder says what is measured.
"""

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path

HERE = Path(__file__).resolve()
ENDLESS = "FROM generate_series(1, 1000000000000000) AS a(v) WHERE v % 7 = 9"


# One call: a statement without tables, and its row as a tuple.


def velaria_call():
    import velaria

    session = velaria.Session()
    return lambda: session.sql("SELECT 1").fetchall()


def duckdb_call():
    import duckdb

    connection = duckdb.connect()
    return lambda: connection.execute("SELECT 1").fetchall()


def datafusion_call():
    import datafusion

    context = datafusion.SessionContext()
    return lambda: context.sql("SELECT 1").collect()[0].to_pylist()


CALLS = {"velaria": velaria_call, "duckdb": duckdb_call, "datafusion": datafusion_call}


def call(seconds):
    """Microseconds for a call on each engine. They take turns in one process, so that noise falls on all of them."""
    calls, times = {}, {}
    for name, make in CALLS.items():
        try:
            calls[name] = make()
        except ImportError:
            continue
        times[name] = []
        for _ in range(50):
            calls[name]()
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        for name, one in calls.items():
            start = time.perf_counter()
            for _ in range(100):
                one()
            times[name].append((time.perf_counter() - start) * 1e4)
    return {name: round(statistics.median(values), 1) for name, values in times.items()}


# Arrow in, and the first row out.


def tables(rows):
    import numpy
    import pyarrow

    random = numpy.random.default_rng(1)
    yield "integers and floats", pyarrow.table({"a": numpy.arange(rows), "b": random.random(rows)})
    texts = pyarrow.array([f"text {number}" for number in range(1000)])
    yield "with text", pyarrow.table({"a": numpy.arange(rows), "s": texts.take(pyarrow.array(numpy.arange(rows) % 1000))})
    values = pyarrow.array(random.random(rows * 8, dtype="f4"))
    yield "vectors of 8", pyarrow.table({"v": pyarrow.FixedSizeListArray.from_arrays(values, 8)})


def first_row(rows):
    import pyarrow

    import velaria

    session = velaria.Session()
    session.sql("SELECT 1").fetchall()
    answer = {}
    for name, table in tables(rows):
        start = time.perf_counter()
        session.create_temp_view("t", session.create_dataframe_from_arrow(table))
        stream = pyarrow.RecordBatchReader.from_stream(session.sql("SELECT * FROM t"))
        assert stream.read_next_batch().num_rows > 0
        answer[name] = round((time.perf_counter() - start) * 1e3, 2)
    return answer


# A stream of any size.


def stream(gigabytes):
    import resource

    import numpy
    import pyarrow

    import velaria

    schema = pyarrow.schema([("a", pyarrow.float64())])
    rows = 1 << 20

    def batches():
        for _ in range(gigabytes * 128):
            yield pyarrow.record_batch([pyarrow.array(numpy.ones(rows))], schema=schema)

    session = velaria.Session()
    frame = session.read_arrow_stream(pyarrow.RecordBatchReader.from_batches(schema, batches()))
    session.create_temp_view("s", frame)
    start = time.perf_counter()
    ((total,),) = session.sql("SELECT SUM(a) FROM s").fetchall()
    assert total == gigabytes * 128 * rows
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"peak_rss_mb": peak >> 10, "seconds": round(time.perf_counter() - start, 2)}


# Ctrl-C. Each of these goes on for ever.


def interrupt(what):
    import numpy
    import pyarrow
    import pyarrow.dataset

    import velaria

    session = velaria.Session()
    rows = session.sql("SELECT v " + ENDLESS)
    csv = "/dev/null"
    if what == "csv scan":
        import tempfile

        csv = os.path.join(tempfile.mkdtemp(), "x.csv")
        with open(csv, "w") as out:
            out.write("a,b\n" + "12345,some text\n" * 5_000_000)
    if what == "vector scan":
        session.create_temp_view("t", session.create_dataframe_from_arrow(numpy.ones((1_000_000, 64), "f4")))
    source, sink = session.create_realtime_stream_source({"a": "BIGINT"}), session.create_realtime_stream_sink()
    query = session.read_realtime_stream_source(source).write_stream_queue_sink(sink)

    def forever(work):
        while True:
            work()

    def duckdb_scan():
        import duckdb

        frame = rows
        assert frame is not None
        duckdb.sql("SELECT COUNT(*) FROM frame").fetchall()

    def polars_frame():
        import polars

        polars.DataFrame(rows)

    scanner = pyarrow.dataset.Scanner
    actions = {
        "query": rows.fetchall,
        "csv scan": lambda: forever(lambda: session.read_csv(csv).count()),
        "vector scan": lambda: forever(lambda: session.vector_search("t", "vector", numpy.ones(64, "f4"), 10)),
        "await_termination": lambda: query.start().await_termination(),
        "pyarrow": lambda: pyarrow.table(rows),
        "pyarrow scanner": lambda: scanner.from_batches(pyarrow.RecordBatchReader.from_stream(rows)).to_table(),
        "polars": polars_frame,
        "duckdb": duckdb_scan,
    }
    if what is None:
        return list(actions)
    pressed = []

    def press():
        time.sleep(1.5)
        pressed.append(time.perf_counter())
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=press, daemon=True).start()
    try:
        try:
            actions[what]()
        except Exception:
            if not pressed:
                raise
            # What another library makes of the end of the stream; the interrupt itself follows at the next step.
            while time.perf_counter() < pressed[0] + 5:
                pass
        return {"ms": None}
    except KeyboardInterrupt:
        return {"ms": round((time.perf_counter() - pressed[0]) * 1e3)}
    finally:
        query.stop()


MEASURES = {"call": call, "first_row": first_row, "stream": stream, "interrupt": interrupt}


def child(python, *request):
    done = subprocess.run([python, str(HERE), "--child", json.dumps(request)], stdout=subprocess.PIPE, timeout=300)
    if done.returncode != 0:
        raise SystemExit(f"python_calls.py: {request} ended with {done.returncode}")
    return json.loads(done.stdout.splitlines()[-1])


def medians(answers):
    return {key: statistics.median(answer[key] for answer in answers) for key in answers[0]}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--python", default=os.environ.get("VELARIA_PYTHON_BIN", sys.executable), help="has the engines")
    parser.add_argument("--repeat", type=int, default=3, metavar="N", help="processes for each measurement (default 3)")
    parser.add_argument("--rows", type=int, default=10_000_000, metavar="N", help="of Arrow tables (default 10000000)")
    parser.add_argument("--gigabytes", type=int, default=10, metavar="N", help="of the stream (default 10)")
    parser.add_argument("--child", metavar="REQUEST", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        name, *request = json.loads(arguments.child)
        print(json.dumps(MEASURES[name](*request)))
        return
    turns = range(arguments.repeat)
    for name, value in medians([child(arguments.python, "call", 3) for _ in turns]).items():
        print(f"SELECT 1 and its row, {name}: {value} µs")
    for name, value in medians([child(arguments.python, "first_row", arguments.rows) for _ in turns]).items():
        print(f"first row of {arguments.rows:,} rows, {name}: {value} ms")
    found = child(arguments.python, "stream", arguments.gigabytes)
    print(f"stream of {arguments.gigabytes} GB: {found['peak_rss_mb']} MB at most, {found['seconds']} s")
    for name in child(arguments.python, "interrupt", None):
        times = [child(arguments.python, "interrupt", name)["ms"] for _ in turns]
        print(f"Ctrl-C, {name}: {', '.join('not noticed' if ms is None else f'{ms} ms' for ms in times)}")


if __name__ == "__main__":
    main()

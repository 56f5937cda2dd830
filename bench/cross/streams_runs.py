"""The stream workloads, each by Velaria and by hand with its peers. Runs in child processes only; imports are inside.

A run takes the size of its input, makes it before the clock, and returns (seconds, the table it ends with). Velaria's
table is what is left of its emissions: the last row of each key, or all rows where each is told once. Peers do the same
work: a loop over micro-batches ends every turn with the totals so far as a table.
"""

import time

NO_PAUSE = {"trigger_interval_ms": 0}
POLL_SECONDS = 0.0005
LARGE = 65_536  # rows of a micro-batch, where the workload does not say another size
SMALL = 8_192
WINDOW_MS = 10_000
SLIDE_MS = 2_000
TOTALS = [("value", "sum"), ("value", "count")]


# --- Velaria


def stream(batches, sql, **options):
    """Runs `sql` over the stream `t` of `batches`: the seconds from start to end, and the emissions."""
    import pyarrow as pa
    import velaria

    with velaria.Session() as session:
        session.create_temp_view("t", session.create_stream_from_arrow(pa.Table.from_batches(batches)))
        return emissions(session, session.stream_sql(sql), **options)


def emissions(session, frame, **options):
    sink = session.create_realtime_stream_sink()
    query = frame.write_stream_queue_sink(sink, **{**NO_PAUSE, **options})
    taken = []
    start = time.perf_counter()
    query.start()
    while True:
        closed = sink.closed()  # asked before the poll: what came in between is still taken
        batch = sink.poll()
        if batch is not None:
            taken.append(batch)
        elif closed:
            break
        else:
            time.sleep(POLL_SECONDS)
    query.await_termination()
    seconds = time.perf_counter() - start
    return seconds, whole([batch.to_arrow() for batch in taken])


def whole(tables):
    import pyarrow as pa

    return pa.concat_tables(tables) if tables else pa.table({})


def last_by(table, keys):
    """The last row of each key."""
    import numpy as np
    import pyarrow as pa

    numbered = table.append_column("__row", pa.array(np.arange(table.num_rows)))
    last = numbered.group_by(keys, use_threads=False).aggregate([("__row", "max")])
    return table.take(last.column("__row_max"))


def running(batches, sql, keys, **options):
    seconds, table = stream(batches, sql, **options)
    return seconds, last_by(table, keys)


# --- by hand, with pyarrow


def merged(totals, partial, keys):
    """Running totals and those of one micro-batch as one; columns but the keys are added."""
    import pyarrow as pa

    if totals is None:
        return partial
    sums = [(name, "sum") for name in partial.column_names if name not in keys]
    both = pa.concat_tables([totals, partial]).group_by(keys, use_threads=False).aggregate(sums)
    return both.rename_columns([name.removesuffix("_sum") for name in both.column_names])


def pyarrow_totals(tables):
    """SUM, COUNT and AVG by key over tables with key and value."""
    import pyarrow.compute as pc

    totals = shown = None
    for table in tables:
        partial = table.group_by(["key"], use_threads=False).aggregate(TOTALS)
        totals = merged(totals, partial.rename_columns(["key", "s", "n"]), ["key"])
        shown = totals.append_column("a", pc.divide(totals.column("s"), totals.column("n")))
    return shown


def timed(work):
    start = time.perf_counter()
    table = work()
    return time.perf_counter() - start, table


def tables_of(batches):
    import pyarrow as pa

    return (pa.Table.from_batches([batch]) for batch in batches)


# --- batch queries on one thread, for comparison


def datafusion_query(batches, sql):
    import datafusion

    context = datafusion.SessionContext(datafusion.SessionConfig().with_target_partitions(1))
    context.register_record_batches("t", [batches])
    return timed(lambda: context.sql(sql).to_arrow_table())


def duckdb_query(batches, sql):
    import duckdb
    import pyarrow as pa

    connection = duckdb.connect(config={"threads": 1})
    connection.register("t", pa.Table.from_batches(batches))
    return timed(lambda: connection.sql(sql).to_arrow_table())


def velaria_query(batches, sql):
    import pyarrow as pa
    import velaria

    with velaria.Session(threads=1) as session:
        session.create_temp_view("t", session.create_dataframe_from_arrow(pa.Table.from_batches(batches)))
        return timed(lambda: session.sql(sql).to_arrow())


# --- (a) a folder of CSV files

FILE_ROWS = 25_000
TOTALS_SQL = "SELECT key, SUM(value) AS s, COUNT(*) AS n, AVG(value) AS a FROM t GROUP BY key"


def csv_files(files):
    import streams_data

    return sorted(streams_data.folder(files, FILE_ROWS).iterdir())


def folder_velaria(files):
    import velaria

    folder = csv_files(files)[0].parent
    with velaria.Session() as session:

        def work():
            session.create_temp_view("t", session.read_stream_csv_dir(folder))
            return emissions(session, session.stream_sql(TOTALS_SQL), max_batches=files)[1]

        seconds, table = timed(work)
    return seconds, last_by(table, ["key"])


def folder_pyarrow(files):
    import pyarrow.csv as pacsv

    paths = csv_files(files)
    return timed(lambda: pyarrow_totals(pacsv.read_csv(path) for path in paths))


def folder_polars(files):
    import polars as pl

    paths = csv_files(files)

    def work():
        totals = None
        for path in paths:
            partial = pl.read_csv(path).group_by("key").agg(s=pl.col("value").sum(), n=pl.len())
            both = partial if totals is None else pl.concat([totals, partial])
            totals = both.group_by("key").agg(pl.col("s").sum(), pl.col("n").sum())
            shown = totals.with_columns(a=pl.col("s") / pl.col("n"))
        return shown.to_arrow()

    return timed(work)


def folder_duckdb(files):
    import duckdb

    paths = csv_files(files)

    def work():
        connection = duckdb.connect()
        connection.execute("CREATE TABLE totals (key BIGINT PRIMARY KEY, s DOUBLE, n BIGINT)")
        for path in paths:
            connection.execute(
                f"INSERT INTO totals SELECT key, SUM(value), COUNT(*) FROM read_csv('{path}') GROUP BY key "
                "ON CONFLICT (key) DO UPDATE SET s = s + excluded.s, n = n + excluded.n"
            )
            shown = connection.sql("SELECT key, s, n, s / n AS a FROM totals").to_arrow_table()
        return shown

    return timed(work)


def folder_pathway(files):
    """In its static mode, which ends: every file is read, and the result is told once."""
    import logging

    import pyarrow as pa
    import pathway as pw

    logging.disable(logging.INFO)
    folder = csv_files(files)[0].parent
    schema = pw.schema_from_types(key=int, value=float)
    rows = {}

    def on_change(key, row, time, is_addition):
        if is_addition:
            rows[row["key"]] = row

    def work():
        events = pw.io.csv.read(str(folder), schema=schema, mode="static")
        reducers = {"s": pw.reducers.sum(events.value), "n": pw.reducers.count(), "a": pw.reducers.avg(events.value)}
        pw.io.subscribe(events.groupby(events.key).reduce(events.key, **reducers), on_change)
        pw.run(monitoring_level=pw.MonitoringLevel.NONE)
        return pa.Table.from_pylist(list(rows.values()))

    seconds, table = timed(work)
    return seconds, table.select(["key", "s", "n", "a"])


def folder_bytewax(files):
    """Files are read and added up by pyarrow, as its users do; only the running totals are kept by bytewax."""
    import bytewax.operators as op
    import pyarrow as pa
    import pyarrow.csv as pacsv
    from bytewax.dataflow import Dataflow
    from bytewax.testing import TestingSink, TestingSource, run_main

    paths = csv_files(files)
    out = []

    def partials(path):
        table = pacsv.read_csv(path).group_by(["key"], use_threads=False).aggregate(TOTALS)
        return [(str(key), (s, n)) for key, s, n in zip(*(column.to_pylist() for column in table.columns))]

    def add(state, partial):
        s, n = (state[0] + partial[0], state[1] + partial[1]) if state else partial
        return (s, n), (s, n, s / n)

    def work():
        flow = Dataflow("totals")
        files_read = op.input("files", flow, TestingSource(paths))
        totals = op.stateful_map("totals", op.flat_map("partials", files_read, partials), add)
        op.output("out", totals, TestingSink(out))
        run_main(flow)
        rows = dict(out)
        return pa.table(
            {
                "key": pa.array([int(key) for key in rows], pa.int64()),
                **{name: [row[index] for row in rows.values()] for index, name in enumerate(("s", "n", "a"))},
            }
        )

    return timed(work)


# --- (b) tumbling windows

COUNTS = "SELECT w, key, COUNT(*) AS n FROM t WINDOW BY ts EVERY 10000 AS w GROUP BY w, key"
COUNTS_BATCH = "SELECT ts - ts % 10000 AS w, key, COUNT(*) AS n FROM t GROUP BY ts - ts % 10000, key"
CLOSED_ONCE = {"output_mode": "append", "watermark_column": "ts"}


def tumbling_velaria(rows):
    import streams_data

    # Each window is told once, when the watermark has passed it, and forgotten.
    return stream(streams_data.events(rows, LARGE), COUNTS, **CLOSED_ONCE)


def tumbling_pyarrow(rows):
    import pyarrow as pa
    import pyarrow.compute as pc
    import streams_data

    batches = streams_data.events(rows, LARGE)

    def work():
        opened, closed = None, []
        for table in tables_of(batches):
            ts = table.column("ts")
            window = pc.multiply(pc.divide(ts, WINDOW_MS), WINDOW_MS)
            counted = pa.table({"w": window, "key": table.column("key")})
            partial = counted.group_by(["w", "key"], use_threads=False).aggregate([([], "count_all")])
            opened = merged(opened, partial.rename_columns(["w", "key", "n"]), ["w", "key"])
            is_closed = pc.less_equal(pc.add(opened.column("w"), WINDOW_MS), pc.max(ts))
            closed.append(opened.filter(is_closed))
            opened = opened.filter(pc.invert(is_closed))
        return pa.concat_tables([*closed, opened])

    return timed(work)


def tumbling_datafusion(rows):
    import streams_data

    return datafusion_query(streams_data.events(rows, LARGE), COUNTS_BATCH)


# --- (c) micro-batches of one row


def tiny_velaria(rows):
    import streams_data

    return running(streams_data.events(rows, 1), "SELECT key, SUM(value) AS s FROM t GROUP BY key", ["key"])


def tiny_pyarrow(rows):
    import pyarrow as pa
    import streams_data

    batches = streams_data.events(rows, 1)

    def work():
        totals, told = {}, []
        for batch in batches:
            key, value = batch.column("key")[0].as_py(), batch.column("value")[0].as_py()
            totals[key] = totals.get(key, 0.0) + value
            told.append(pa.record_batch({"key": [key], "s": [totals[key]]}))
        return pa.table({"key": list(totals), "s": list(totals.values())})

    return timed(work)


def tiny_filter_velaria(rows):
    import streams_data

    return stream(streams_data.events(rows, 1), "SELECT key, value FROM t WHERE value > 500")


def tiny_filter_pyarrow(rows):
    import pyarrow as pa
    import pyarrow.compute as pc
    import streams_data

    batches = streams_data.events(rows, 1)

    def work():
        chosen = (batch.select(["key", "value"]).filter(pc.greater(batch.column("value"), 500)) for batch in batches)
        return pa.Table.from_batches([batch for batch in chosen if batch.num_rows])

    return timed(work)


# --- (d) queries like those of Nexmark

NEXMARK = {
    "q1": ("SELECT auction, bidder, price * 0.908 AS price, ts FROM t",) * 2,
    "q2": ("SELECT auction, price FROM t WHERE auction % 123 = 0",) * 2,
    # The bids of each auction in each window: what the hottest auctions are chosen from.
    "q5": (
        "SELECT w, auction, COUNT(*) AS n FROM t WINDOW BY ts EVERY 10000 SLIDE 2000 AS w GROUP BY w, auction",
        "SELECT ts - ts % 2000 - s.back AS w, auction, COUNT(*) AS n FROM t CROSS JOIN "
        "(SELECT 0 AS back UNION ALL SELECT 2000 UNION ALL SELECT 4000 UNION ALL SELECT 6000 UNION ALL SELECT 8000) AS s "
        "GROUP BY ts - ts % 2000 - s.back, auction",
    ),
    "q7": (
        "SELECT w, MAX(price) AS price FROM t WINDOW BY ts EVERY 10000 AS w GROUP BY w",
        "SELECT ts - ts % 10000 AS w, MAX(price) AS price FROM t GROUP BY ts - ts % 10000",
    ),
}


def nexmark_velaria(query):
    def run(rows):
        import streams_data

        options = CLOSED_ONCE if query in ("q5", "q7") else {}
        return stream(streams_data.bids(rows, LARGE), NEXMARK[query][0], **options)

    return run


def nexmark_batch(query, engine):
    def run(rows):
        import streams_data

        return engine(streams_data.bids(rows, LARGE), NEXMARK[query][1])

    return run


def nexmark(query):
    return {
        "velaria": nexmark_velaria(query),
        "datafusion": nexmark_batch(query, datafusion_query),
        "duckdb": nexmark_batch(query, duckdb_query),
    }


# --- (e) local workers

USERS = 'SELECT "user", SUM(value) AS s, COUNT(*) AS n FROM t GROUP BY "user"'


def workers(count):
    def run(rows):
        import streams_data

        options = {"execution_mode": "local-workers", "local_workers": count} if count > 1 else {}
        return running(streams_data.events(rows, LARGE), USERS, ["user"], **options)

    return run


# --- (f) a running group by, and the batch query


def group_velaria(rows):
    import streams_data

    return running(streams_data.events(rows, SMALL), TOTALS_SQL, ["key"])


def group_pyarrow(rows):
    import streams_data

    batches = streams_data.events(rows, SMALL)
    return timed(lambda: pyarrow_totals(tables_of(batches)))


def group_batch(engine):
    def run(rows):
        import streams_data

        return engine(streams_data.events(rows, SMALL), TOTALS_SQL)

    return run


# --- (g) a checkpoint after every micro-batch


def checkpointed(mode):
    def run(rows):
        import tempfile

        import streams_data

        batches = streams_data.events(rows, LARGE)
        with tempfile.TemporaryDirectory() as folder:
            kept = {"checkpoint_path": folder, "checkpoint_delivery_mode": mode} if mode else {}
            return running(batches, TOTALS_SQL, ["key"], **kept)

    return run


# --- (h) state that is taken back

MANY_KEYS = "SELECT ts, SUM(value) AS s, COUNT(*) AS n FROM t GROUP BY ts"


def restore(restarts):
    """A query over as many keys as rows, with a checkpoint; the seconds of the run, or of the start that takes it back."""

    def run(rows):
        import tempfile

        import pyarrow as pa
        import streams_data
        import velaria

        batches = streams_data.events(rows, LARGE)
        with tempfile.TemporaryDirectory() as folder, velaria.Session() as session:
            session.create_temp_view("t", session.create_stream_from_arrow(pa.Table.from_batches(batches)))
            frame = session.stream_sql(MANY_KEYS)
            seconds, table = emissions(session, frame, checkpoint_path=folder)
            if restarts:
                query = frame.write_stream_queue_sink(
                    session.create_realtime_stream_sink(), checkpoint_path=folder, **NO_PAUSE
                )
                seconds, _ = timed(query.start)
                query.await_termination()
                kept = query.progress()["state_rows"]
                if kept != rows:
                    raise RuntimeError(f"{kept} keys of {rows} were taken back")
        return seconds, table

    return run


# {workload: (what is asked, size, size of the check, {engine: run})}. The first engine is Velaria, the others are what
# its time is divided by.
WORKLOADS = {
    "folder": (
        "SUM, COUNT and AVG by key over a folder of CSV files of 25,000 rows",
        400,
        4,
        {
            "velaria": folder_velaria,
            "pyarrow": folder_pyarrow,
            "polars": folder_polars,
            "duckdb": folder_duckdb,
            "pathway": folder_pathway,
            "bytewax": folder_bytewax,
        },
    ),
    "tumbling": (
        "events counted by key in windows of 10 s, each told once",
        10_000_000,
        100_000,
        {"velaria": tumbling_velaria, "pyarrow": tumbling_pyarrow, "datafusion": tumbling_datafusion},
    ),
    "tiny-sum": ("a sum by key, micro-batches of one row", 20_000, 500, {"velaria": tiny_velaria, "pyarrow": tiny_pyarrow}),
    "tiny-filter": (
        "a filter, micro-batches of one row",
        20_000,
        500,
        {"velaria": tiny_filter_velaria, "pyarrow": tiny_filter_pyarrow},
    ),
    "nexmark-q1": ("bids in another currency", 1_000_000, 20_000, nexmark("q1")),
    "nexmark-q2": ("bids for some auctions", 1_000_000, 20_000, nexmark("q2")),
    "nexmark-q5": ("bids by auction in sliding windows, each told once", 1_000_000, 200_000, nexmark("q5")),
    "nexmark-q7": ("the highest bid of each window, each told once", 1_000_000, 200_000, nexmark("q7")),
    "workers": (
        "a sum over a million keys: two local workers against one thread",
        4_000_000,
        50_000,
        {"velaria": workers(2), "one thread": workers(1)},
    ),
    "group": (
        "SUM, COUNT and AVG of 1,000 keys, micro-batches of 8,192 rows, against batch queries on one thread",
        4_000_000,
        50_000,
        {
            "velaria": group_velaria,
            "batch": group_batch(velaria_query),
            "pyarrow": group_pyarrow,
            "datafusion": group_batch(datafusion_query),
        },
    ),
    "checkpoint": (
        "a checkpoint after every micro-batch of 65,536 rows, at-least-once, against none",
        10_000_000,
        200_000,
        {"velaria": checkpointed("at-least-once"), "none": checkpointed(None), "best-effort": checkpointed("best-effort")},
    ),
    "restore": (
        "a million keys taken back from a checkpoint, against the run that made them",
        1_000_000,
        50_000,
        {"velaria": restore(True), "the run": restore(False)},
    ),
}

# What the run of an engine imports, where it is not named by it.
PACKAGES = {"one thread": "velaria", "batch": "velaria", "none": "velaria", "best-effort": "velaria", "the run": "velaria"}

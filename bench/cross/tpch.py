#!/usr/bin/env python3
"""TPC-H at scale 1 on Parquet files: all 22 queries on Velaria and DuckDB, the same answers, and the ratio of the times.

Both engines stay open in a process of their own and take turns query by query, so that noise hits both alike. The data
comes from `tpchgen-cli` (PyPI) and is kept in the cache folder. The queries are those of the specification with its
validation parameters, in the folder tpch/.
"""

import argparse
import datetime
import decimal
import json
import math
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
TABLES = ("customer", "lineitem", "nation", "orders", "part", "partsupp", "region", "supplier")
OURS, PEER = "velaria", "duckdb"


def main():
    arguments = parse_arguments()
    if arguments.serve:
        return serve(arguments.serve, arguments.data)
    generate(arguments.data)
    engines = {name: Server(name, arguments.data) for name in arguments.engines}
    rows, wrong = [], []
    for number in arguments.queries:
        sql = (HERE / "tpch" / f"q{number:02}.sql").read_text(encoding="utf-8")
        rows.append(measure(arguments, engines, number, sql, wrong))
        print(line(rows[-1], arguments.engines), flush=True)
    total = {name: sum(row[name] for row in rows) for name in arguments.engines}
    print(line(dict(total, query="total"), arguments.engines))
    for problem in wrong:
        print(f"PROBLEM {problem}")
    return 1 if wrong else 0


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    root = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    numbers = lambda text: [int(number) for number in text.split(",")]  # noqa: E731
    parser.add_argument("--repeat", type=int, default=5, metavar="N", help="turns per query (default 5)")
    parser.add_argument("--queries", type=numbers, default=list(range(1, 23)), metavar="1,2", help="only these")
    parser.add_argument("--engines", type=lambda text: text.split(","), default=[OURS, PEER], metavar="A,B")
    parser.add_argument("--data", type=Path, default=Path(root) / "velaria" / "bench" / "tpch-sf1", metavar="FOLDER")
    parser.add_argument("--cpu", action="store_true", help="CPU time instead of wall time, for a busy machine")
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    return parser.parse_args()


def generate(folder):
    if all((folder / f"{table}.parquet").exists() for table in TABLES):
        return
    folder.mkdir(parents=True, exist_ok=True)
    tool = Path(sys.executable).with_name("tpchgen-cli")
    subprocess.run([str(tool), "parquet", "-s", "1", f"--output-dir={folder}"], check=True)


def measure(arguments, engines, number, sql, wrong):
    """One row: the median of each engine. The first turn warms up and is compared, not counted."""
    answers = {name: engine.run(sql) for name, engine in engines.items()}
    seconds = {name: [] for name in engines}
    clock = "cpu_seconds" if arguments.cpu else "seconds"
    for turn in range(arguments.repeat):
        names = list(engines) if turn % 2 else list(engines)[::-1]
        for name in names:
            seconds[name].append(engines[name].run(sql)[clock])
    reference = answers.get(PEER, answers[next(iter(engines))])
    for name, answer in answers.items():
        problem = answer.get("error") or difference(reference["rows"], answer["rows"])
        if problem:
            wrong.append(f"q{number:02}: {name}: {problem}")
    return dict({name: statistics.median(found) for name, found in seconds.items()}, query=f"q{number:02}")


def line(row, names):
    cells = [f"{row['query']:<6}"] + [f"{name} {row[name] * 1e3:8.1f} ms" for name in names]
    if OURS in names:
        cells += [f"/ {name} {row[OURS] / row[name]:5.2f}" for name in names if name != OURS]
    return "  ".join(cells)


def difference(expected, found):
    """The first difference in words, or None. Queries that leave the order of equal keys open are compared sorted."""
    if len(expected) != len(found):
        return f"{len(expected)} rows expected, {len(found)} found"
    for want, have in zip(sorted(expected, key=sort_key), sorted(found, key=sort_key)):
        if len(want) != len(have) or not all(map(same, want, have)):
            return f"{want} expected, {have} found"
    return None


def sort_key(row):
    return [f"{value:.6g}" if isinstance(value, float) else str(value) for value in row]


def same(want, have):
    if isinstance(want, (int, float)) and isinstance(have, (int, float)):
        return math.isclose(want, have, rel_tol=1e-6, abs_tol=1e-4)
    return want == have


class Server:
    """An engine in a process of its own."""

    def __init__(self, name, folder):
        command = [sys.executable, str(HERE / "tpch.py"), "--serve", name, "--data", str(folder)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def run(self, sql):
        self.process.stdin.write(json.dumps(sql) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())


def serve(name, folder):
    run = OPEN[name](folder)
    for request in sys.stdin:
        sql = json.loads(request)
        start, cpu_start = time.perf_counter(), time.process_time()
        try:
            rows = run(sql)
            times = {"seconds": time.perf_counter() - start, "cpu_seconds": time.process_time() - cpu_start}
            answer = dict(times, rows=[[plain(value) for value in row] for row in rows])
        except Exception as error:  # an engine may raise anything, and the other queries still count
            failed = {"seconds": math.inf, "cpu_seconds": math.inf, "rows": []}
            answer = dict(failed, error=f"{type(error).__name__}: {error}")
        print(json.dumps(answer), flush=True)
    return 0


def plain(value):
    if isinstance(value, decimal.Decimal):
        return float(value)
    return value.isoformat() if isinstance(value, datetime.date) else value


def open_velaria(folder):
    import velaria

    session = velaria.Session()
    for table in TABLES:
        session.create_temp_view(table, session.read_parquet(folder / f"{table}.parquet"))
    return lambda sql: session.sql(sql).fetchall()


def open_duckdb(folder):
    import duckdb

    connection = duckdb.connect()
    for table in TABLES:
        connection.execute(f"CREATE VIEW {table} AS FROM read_parquet('{folder / table}.parquet')")
    return lambda sql: connection.execute(sql).fetchall()


def open_datafusion(folder):
    import datafusion

    context = datafusion.SessionContext()
    for table in TABLES:
        context.register_parquet(table, str(folder / f"{table}.parquet"))

    def run(sql):
        batches = context.sql(sql).collect()
        return [row for batch in batches for row in zip(*(column.to_pylist() for column in batch.columns))]

    return run


OPEN = {"velaria": open_velaria, "duckdb": open_duckdb, "datafusion": open_datafusion}

if __name__ == "__main__":
    sys.exit(main())

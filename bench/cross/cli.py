#!/usr/bin/env python3
"""What one question on the command line costs: a whole process over a small file, Velaria's and DuckDB's by turns.

The clock runs around the process, from its start to its end, and both print JSON. A tracked run of the same question, and the
command line of the wheel, stand beside it. README.md in this folder says what is measured.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

QUERY = "SELECT category, COUNT(*) AS n, SUM(value) AS total FROM {} GROUP BY category ORDER BY category"
ONE_SHOT, TRACKED, DUCKDB = "velaria-cli csv-sql", "velaria-cli run start -- csv-sql", "duckdb -json"
WHEEL = "python -m velaria csv-sql"
# What the project holds itself to: the time of the first divided by that of the second.
BARS = [(ONE_SHOT, DUCKDB, 0.5), (TRACKED, ONE_SHOT, 2.0)]


def write_input(path, rows):
    lines = ["id,category,value"]
    lines += [f"{row},category_{row % 20:02},{row * 7919 % 100000 / 100}" for row in range(rows)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def native_duckdb(path):
    """DuckDB's program itself: what pip installs is a script that starts Python first."""
    head = Path(path).read_bytes()[:200]
    if not head.startswith(b"#!"):
        return path
    python = head.split(b"\n", 1)[0][2:].decode().strip()
    found = subprocess.run([python, "-c", "import duckdb_cli; print(duckdb_cli.__path__[0])"], stdout=subprocess.PIPE)
    return str(Path(found.stdout.decode().strip()) / "duckdb") if found.returncode == 0 else path


def commands(arguments, file):
    ours = ["csv-sql", "--csv", str(file), "--query", QUERY.format("input_table")]
    known = {
        ONE_SHOT: [arguments.cli, *ours],
        TRACKED: [arguments.cli, "run", "start", "--", *ours],
        DUCKDB: [native_duckdb(arguments.duckdb), "-json", "-c", QUERY.format(f"'{file}'")] if arguments.duckdb else None,
        WHEEL: [arguments.wheel, "-m", "velaria", *ours] if arguments.wheel else None,
    }
    return {name: command for name, command in known.items() if command}


def run(command, environment):
    begun = time.perf_counter()
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment)
    seconds = time.perf_counter() - begun
    if done.returncode != 0:
        raise SystemExit(f"cli.py: {command[:3]} ended with {done.returncode}: {done.stdout.decode()}{done.stderr.decode()}")
    return seconds, json.loads(done.stdout)


def rows(document):
    """The rows in the document of any of the commands."""
    document = document if isinstance(document, list) else document.get("result", document)["rows"]
    return [(row["category"], row["n"], round(row["total"], 6)) for row in document]


def measure(asked, environment, repeat):
    """Milliseconds of each turn. Commands take turns, and every round starts with another one."""
    answers = {name: rows(run(command, environment)[1]) for name, command in asked.items()}
    if any(answer != answers[ONE_SHOT] for answer in answers.values()):
        raise SystemExit(f"cli.py: the answers differ: {answers}")
    times = {name: [] for name in asked}
    names = list(asked)
    for turn in range(repeat):
        start = turn % len(names)
        for name in names[start:] + names[:start]:
            times[name].append(run(asked[name], environment)[0] * 1e3)
    return times


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--cli", default=shutil.which("velaria-cli"), metavar="PATH", help="the binary (default: from PATH)")
    add("--duckdb", default=shutil.which("duckdb"), metavar="PATH", help="DuckDB's command line (default: from PATH)")
    add("--wheel", metavar="PYTHON", help="an interpreter that has the wheel")
    add("--repeat", type=int, default=30, metavar="N", help="processes of each command (default 30)")
    add("--rows", type=int, default=1000, metavar="N", help="of the file (default 1000)")
    add("--home", type=Path, metavar="DIR", help="where the tracked runs go (default: a temporary directory)")
    add("--output", type=Path, metavar="FILE", help="where the times go as JSON")
    arguments = parser.parse_args()
    if not arguments.cli:
        parser.error("there is no velaria-cli: name it with --cli")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "small.csv"
        write_input(file, arguments.rows)
        environment = dict(os.environ, VELARIA_HOME=str(arguments.home or Path(folder) / "home"))
        times = measure(commands(arguments, file), environment, arguments.repeat)
    medians = {name: statistics.median(values) for name, values in times.items()}
    for name, median in medians.items():
        print(f"{name}: {median:.1f} ms (at best {min(times[name]):.1f})")
    missed = False
    for name, other, bar in BARS:
        if name in medians and other in medians:
            ratio = medians[name] / medians[other]
            missed |= ratio > bar
            print(f"{name} / {other}: {ratio:.2f} (bar {bar}){'' if ratio <= bar else ' MISSED'}")
    if arguments.output:
        arguments.output.write_text(json.dumps(times, indent=2) + "\n", encoding="utf-8")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env python3
"""The same SQL on Velaria and its peers, in fresh processes, with one answer: how much faster or slower.

This driver only schedules, compares and prints: it runs on Python 3.9 with the standard library, and engines are
imported in child processes (child.py). README.md in this folder says what is measured and where it stops.
"""

import argparse
import ast
import datetime
import json
import math
import os
import platform
import statistics
import subprocess
import sys
import time
from pathlib import Path

import checksum
import workload as workload_files
from engine import ENGINES

HERE = Path(__file__).resolve().parent
RESULTS = HERE.parent / "results"
OURS = "velaria"
PEERS = [name for name in ENGINES if name != OURS]
TIMEOUT_SECONDS = 900


class ChildFailed(Exception):
    """A child process ended badly; the message is the last line that it wrote."""


def main():
    try:
        return bench(parse_arguments())
    except (ValueError, ChildFailed) as error:
        print(f"run.py: {error}", file=sys.stderr)
        return 2


def bench(arguments):
    workloads = workload_files.load_all(arguments.workloads)
    engines = find_engines(arguments, ENGINES, lambda wanted: ask(arguments.python, command="versions", packages=wanted))
    if arguments.expect:
        return print_expected(arguments.python, engines, workloads)
    report = new_report(arguments, engines)
    prepare(arguments, workloads)
    if arguments.prepare:
        return 0
    check(arguments.python, engines, workloads, report["problems"])
    for workload in workloads:
        report["workloads"].append(measure(arguments, list(engines), workload, report["problems"]))
    report["machine"]["load_average_at_end"] = load_average()
    publish(report, arguments)
    return 1 if report["problems"] else 0


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--workloads", type=words, metavar="A,B", help="only these workloads (default: all of bench/workloads)")
    add("--engines", type=words, metavar="A,B", help="only these engines (default: all that are installed)")
    add("--repeat", type=positive, default=3, metavar="N", help="processes per workload and engine (default 3)")
    add("--rows-scale", type=scale, default=1.0, metavar="F", help="shrink the data, e.g. 0.01 for a smoke run")
    add("--python", default=os.environ.get("VELARIA_PYTHON_BIN", sys.executable), help="Python that has the engines")
    add("--output", type=Path, metavar="FILE", help="where the JSON goes (default: a dated file in bench/results)")
    add("--json", action="store_true", help="print the JSON instead of the table")
    add("--prepare", action="store_true", help="make the data files and stop")
    add("--expect", action="store_true", help="print the [expected] tables the engines agree on and stop")
    return parser.parse_args()


def words(text):
    return [word.strip() for word in text.split(",") if word.strip()]


def positive(text):
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return number


def scale(text):
    number = float(text)
    if not 0 < number <= 1:
        raise argparse.ArgumentTypeError("must be over 0 and at most 1")
    return number


# --- before the clock


def find_engines(arguments, known, versions):
    """{engine: version} of what will run. An engine that was asked for by name must be there."""
    wanted = arguments.engines or list(known)
    unknown = sorted(set(wanted) - set(known))
    if unknown:
        raise ValueError(f"no such engine: {', '.join(unknown)} (there are {', '.join(known)})")
    found = versions(wanted)
    missing = [engine for engine in wanted if found[engine] is None]
    if missing and (arguments.engines or len(missing) == len(wanted)):
        raise ValueError(f"not installed in {arguments.python}: {', '.join(missing)}")
    for engine in missing:
        progress(f"{engine}: not installed, left out")
    return {engine: found[engine] for engine in wanted if found[engine] is not None}


def prepare(arguments, workloads):
    """Makes the data files, and reads those of the measurement once, so that every engine finds them in memory."""
    small = [data_file(workload, workload["check_rows"]) for workload in workloads]
    large = [data_file(workload, workload_files.scaled_rows(workload, arguments.rows_scale)) for workload in workloads]
    files = sorted({file for file in small + large if file})
    for file in files:
        progress("data: {0}, {2:,} rows, {1}".format(*file))
        path = ask(arguments.python, command="prepare", files=[file])[0]
        if file in large:
            read_through(path)


def data_file(workload, rows):
    """The (dataset, format, rows) on disk behind a workload, or None for a small table made in memory."""
    if workload["format"] != "memory":
        return (workload["dataset"], workload["format"], rows)
    if workload["dataset"] == "flights":
        return ("flights", "csv", rows)
    return ("events", "parquet", rows) if rows > workload_files.MADE_IN_MEMORY_ROWS_MAX else None


def read_through(path):
    with open(path, "rb") as file:
        while file.read(1 << 24):
            pass


def check(python, engines, workloads, problems):
    """Every engine against the expected tables at the small size. Also warms the page cache for their libraries."""
    for engine in engines:
        progress(f"check: {engine}")
        try:
            wrong = ask(python, command="check", engine=engine, workloads=workloads)
        except ChildFailed as error:
            wrong = {"all workloads": str(error)}
        for name, problem in wrong.items():
            note(problems, f"{name}: {engine} at the check size: {problem}")


def print_expected(python, engines, workloads):
    """For the author of a workload: no table is printed for a workload on which the engines differ."""
    answers = {engine: ask(python, command="expect", engine=engine, workloads=workloads) for engine in engines}
    problems = []
    for name in (workload["name"] for workload in workloads):
        differences = disagreements({engine: [answer[name]] for engine, answer in answers.items()}, with_sums=True)
        for problem in differences:
            note(problems, f"{name}: {problem}")
        if not differences:
            print(f"# {name}\n{expected_table(next(iter(answers.values()))[name])}")
    return 1 if problems else 0


def expected_table(found):
    """Sums with twelve digits: more than the tolerance needs, and without the noise of the order of addition."""
    sums = [float(f"{value:.12g}") for value in found["sums"]]
    return f"[expected]\nrows = {found['rows']}\nnon_null = {found['non_null']}\nsums = {sums}\n"


# --- the measurement


def measure(arguments, engines, workload, problems):
    """One row of the result. Engines take turns, each round starts with another one, so that noise hits all alike."""
    rows = workload_files.scaled_rows(workload, arguments.rows_scale)
    runs = {engine: [] for engine in engines}
    failed = {}
    for turn in range(arguments.repeat):
        progress(f"{workload['name']}: {turn + 1}/{arguments.repeat}")
        first = turn % len(engines)
        for engine in engines[first:] + engines[:first]:
            if engine in failed:
                continue
            try:
                runs[engine].append(measure_once(arguments.python, engine, workload, rows))
            except ChildFailed as error:
                failed[engine] = str(error)
                note(problems, f"{workload['name']}: {engine}: {error}")
    found = {engine: [run["checksum"] for run in done] for engine, done in runs.items()}
    for problem in disagreements(found, with_sums="sums" in workload["expected"]):
        note(problems, f"{workload['name']}: {problem}")
    return row(workload, rows, {engine: summary(runs[engine], failed.get(engine)) for engine in engines})


def measure_once(python, engine, workload, rows):
    if workload["timed"] == "import":
        # The bare interpreter is measured next to each import, because that is what is taken away from it.
        bare = wall_ms(python, "pass", workload["repeat"])[0]
        return {"ms": wall_ms(python, f"import {engine}", workload["repeat"])[0] - bare, "checksum": None}
    if workload["timed"] == "process":
        path = ask(python, command="prepare", files=[data_file(workload, rows)])[0]
        script = f"PATH = {path!r}\nSQL = {workload['sql']!r}\n{ENGINES[engine].SCRIPT}"
        ms, output = wall_ms(python, script, workload["repeat"])
        return {"ms": ms, "checksum": checksum.of_rows(ast.literal_eval(output))}
    return ask(python, command="measure", engine=engine, workload=workload, rows=rows)


def wall_ms(python, code, repeat):
    """The mean time of whole processes, from before the start to after the end, and the output of the last."""
    start = time.perf_counter()
    for _ in range(repeat):
        output = spawn([python, "-c", code])
    return (time.perf_counter() - start) * 1e3 / repeat, output


def ask(python, **request):
    """One request to a fresh child.py."""
    return json.loads(spawn([python, str(HERE / "child.py"), json.dumps(request)]).splitlines()[-1])


def spawn(command):
    try:
        done = subprocess.run(command, cwd=HERE, capture_output=True, text=True, timeout=TIMEOUT_SECONDS)
    except subprocess.TimeoutExpired:
        raise ChildFailed(f"no answer within {TIMEOUT_SECONDS} s") from None
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
        raise ChildFailed(lines[-1])
    if done.stderr.strip():
        progress(done.stderr.strip())  # warnings: an engine may be saying that it is used the slow way
    return done.stdout


def disagreements(found, with_sums):
    """{engine: its checksums} in, words for every engine that differs from the first peer out."""
    names = sorted(found, key=list(ENGINES).index)
    names.sort(key=lambda name: name == OURS)  # a peer is the reference wherever there is one
    known = [(name, actual) for name in names for actual in found[name] if actual is not None]
    problems = {}
    for name, actual in known:
        reference, expected = known[0]
        if not with_sums:
            expected = {key: value for key, value in expected.items() if key != "sums"}
        problem = checksum.difference(expected, actual)
        if problem:
            problems[name] = f"{name} differs from {reference}: {problem}"
    return list(problems.values())


# --- the report


def new_report(arguments, engines):
    return {
        "report": "velaria-bench-cross",
        "report_version": 1,
        "started": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "machine": machine(),
        "python": ask(arguments.python, command="versions", packages=["python", "numpy", "pyarrow"]),
        "engines": engines,
        "repeat": arguments.repeat,
        "rows_scale": arguments.rows_scale,
        "workloads": [],
        "problems": [],
    }


def machine():
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "system": platform.platform(),
        "cpu": cpu_model(),
        "cores": cores,
        "memory_mb": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 20,
        "load_average_at_start": load_average(),
    }


def cpu_model():
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    models = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(models, platform.machine())


def load_average():
    return [round(number, 2) for number in os.getloadavg()]


def summary(runs, error):
    """What one engine did on one workload."""
    if error:
        return {"error": error}
    peaks = [run["peak_rss_mb"] for run in runs if "peak_rss_mb" in run]
    return {
        "ms": statistics.median(run["ms"] for run in runs),
        "runs_ms": [run["ms"] for run in runs],
        "peak_rss_mb": max(peaks, default=None),
        "checksum": runs[-1]["checksum"],
    }


def row(workload, rows, engines):
    """A workload of the report: ratio = our time / their time, so under 1 we are the faster one."""
    peers = {name: engines[name]["ms"] for name in PEERS if "ms" in engines.get(name, {})}
    ours = engines.get(OURS, {}).get("ms")
    best = min(peers, key=peers.get, default=None)
    return {
        "name": workload["name"],
        "rows": rows,
        "timed": workload["timed"],
        "repeat": workload["repeat"],
        "engines": engines,
        "ratios": {} if ours is None else {name: ours / ms for name, ms in peers.items() if ms > 0},
        "best_peer": best,
    }


def publish(report, arguments):
    path = arguments.output or RESULTS / f"cross-{report['started'][:19].replace(':', '')}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(report, indent=1) + "\n"
    path.write_text(text, encoding="utf-8")
    print(text if arguments.json else table(report), end="")
    progress(f"written to {path}")


def table(report):
    """For people: ratios where Velaria ran, times where it did not."""
    peers = [name for name in PEERS if name in report["engines"]]
    with_ratios = OURS in report["engines"]
    head = ["workload", "velaria ms"] + [f"{'/ ' if with_ratios else ''}{name}" for name in peers] + ["best peer"]
    lines = [head] + [table_row(found, peers, with_ratios) for found in report["workloads"]]
    if with_ratios:
        lines.append(["geometric mean", ""] + [geometric_mean(report["workloads"], name) for name in peers] + [""])
    widths = [max(len(line[index]) for line in lines) for index in range(len(head))]
    text = "".join(layout(line, widths) for line in lines)
    facts = report["machine"]
    before, after = facts["load_average_at_start"][0], facts["load_average_at_end"][0]
    text += f"\n{facts['cpu']}, {facts['cores']} cores, load {before} at the start, {after} at the end\n"
    text += ", ".join(map(" ".join, report["engines"].items())) + "\n"
    text += "ratio = Velaria's time / the peer's: under 1.00 Velaria is faster\n" if with_ratios else "times in ms\n"
    return text + "".join(f"PROBLEM {problem}\n" for problem in report["problems"])


def table_row(found, peers, with_ratios):
    best = found["best_peer"]
    cells = [f"{found['ratios'][name]:.2f}" if name in found["ratios"] else "-" for name in peers]
    if not with_ratios:
        cells = [time_cell(found["engines"].get(name, {})) for name in peers]
    ours = time_cell(found["engines"].get(OURS, {}))
    return [found["name"], ours] + cells + [f"{best} {time_cell(found['engines'][best])}" if best else "-"]


def time_cell(engine):
    if "error" in engine:
        return "failed"
    return f"{engine['ms']:.4g}" if "ms" in engine else "-"


def geometric_mean(rows, peer):
    ratios = [found["ratios"][peer] for found in rows if found["ratios"].get(peer, 0) > 0]
    return f"{math.exp(statistics.fmean(map(math.log, ratios))):.2f}" if ratios else "-"


def layout(line, widths):
    first, *rest = [cell.rjust(width) for cell, width in zip(line, widths)]
    return "  ".join([first.strip().ljust(widths[0])] + rest) + "\n"


def note(problems, problem):
    problems.append(problem)
    progress(f"PROBLEM {problem}")


def progress(text):
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())

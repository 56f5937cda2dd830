#!/usr/bin/env python3
"""Exact vector search on Velaria and its peers: one run side by side, with the right answers, and against the memory.

This driver only schedules, compares and prints; engines are imported in child processes (vectors_child.py). README.md in
this folder says what is measured.
"""

import argparse
import datetime
import json
import os
import statistics
import sys
from pathlib import Path

from run import RESULTS, ChildFailed, find_engines, layout, load_average, machine, note, positive, progress, scale, spawn, words

HERE = Path(__file__).resolve().parent
# In the order of the report; the last one is no part of "the best peer", because it has no kernel for this.
OURS = ["velaria", "velaria-plain"]
PEERS = ["faiss", "numpy", "usearch"]
EXTRAS = ["duckdb"]
ENGINES = OURS + PEERS + EXTRAS

SHAPES = [(1_000_000, 128), (100_000, 768)]
METRICS = ["cosine", "dot", "l2"]
TOP_KS = [10, 100]
QUERIES = [1, 64]
THREADS = [1, 2]
SMALL = (1_000, 128)
BANDWIDTH_MEBIBYTES = 512
FLOAT_BYTES = 4

# What the project holds itself to: (engine, queries, against, at most).
BARS = [
    ("velaria-plain", 1, "best peer", 0.9),
    ("velaria-plain", 1, "memory", 1.3),
    ("velaria", 1, "best peer", 0.5),
    ("velaria", 64, "numpy", 0.9),
]
COLD_MEMORY_MAX = 1.2
SMALL_US_MAX = 100.0


def main():
    try:
        return bench(parse_arguments())
    except (ValueError, ChildFailed) as error:
        print(f"vectors.py: {error}", file=sys.stderr)
        return 2


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    numbers = lambda text: [positive(word) for word in words(text)]  # noqa: E731 - the type of some options
    add("--engines", type=words, metavar="A,B", help=f"only these of {', '.join(ENGINES)} (default: all installed)")
    add("--shapes", type=shapes, default=SHAPES, metavar="NxD,..", help="rows x dimensions (default 1000000x128,100000x768)")
    add("--metrics", type=words, default=METRICS, metavar="A,B", help="only these of cosine, dot, l2")
    add("--top-k", type=numbers, default=TOP_KS, metavar="K,..", help="at most 100 (default 10,100)")
    add("--queries", type=numbers, default=QUERIES, metavar="Q,..", help="queries at once, at most 64 (default 1,64)")
    add("--threads", type=numbers, default=THREADS, metavar="T,..", help="threads of each engine (default 1,2)")
    add("--seconds", type=float, default=0.5, metavar="S", help="how long a cell is repeated in a process (default 0.5)")
    add("--repeat", type=positive, default=3, metavar="N", help="processes per engine, shape and threads (default 3)")
    add("--size-scale", type=scale, default=1.0, metavar="F", help="shrink the rows, e.g. 0.01 for a smoke run")
    add("--python", default=os.environ.get("VELARIA_PYTHON_BIN", sys.executable), help="Python that has the engines")
    add("--output", type=Path, metavar="FILE", help="where the JSON goes (default: a dated file in bench/results)")
    return parser.parse_args()


def shapes(text):
    return [tuple(positive(number) for number in word.split("x", 1)) for word in words(text)]


def bench(arguments):
    engines = find_engines(arguments, ENGINES, lambda wanted: ask(arguments.python, command="packages", engines=wanted))
    started = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
    report = {
        "report": "velaria-bench-vectors",
        "report_version": 1,
        "started": started,
        "machine": machine(),
        "engines": engines,
        "repeat": arguments.repeat,
        "memory_gb_per_second": {},
        "cells": [],
        "cold": [],
        "small": [],
        "problems": [],
    }
    shaped = [(max(int(rows * arguments.size_scale), 1_000), dimension) for rows, dimension in arguments.shapes]
    progress("data and right answers")
    ask(arguments.python, command="prepare", shapes=shaped, metrics=arguments.metrics)
    for threads in arguments.threads:
        report["memory_gb_per_second"][threads] = bandwidth(arguments, threads)
        for shape in shaped:
            report["cells"] += measure(arguments, engines, threads, shape, report["problems"])
            report["cold"].append(cold(arguments, engines, threads, shape, report["problems"]))
        report["memory_gb_per_second"][threads] = max(report["memory_gb_per_second"][threads], bandwidth(arguments, threads))
    report["small"] = small(arguments, engines, report["problems"])
    report["machine"]["load_average_at_end"] = load_average()
    judge(report)
    path = arguments.output or RESULTS / f"vectors-{started[:19].replace(':', '')}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    print(table(report), end="")
    progress(f"written to {path}")
    return 1 if report["problems"] else 0


# --- the measurement


def bandwidth(arguments, threads):
    seconds = min(arguments.seconds, 1.0)
    found = ask(arguments.python, command="bandwidth", readers=threads, mebibytes=BANDWIDTH_MEBIBYTES, seconds=seconds)
    return found["gb_per_second"]


def measure(arguments, engines, threads, shape, problems):
    """The cells of one shape. Engines take turns, each round starts with another one, so that noise hits all alike."""
    rows, dimension = shape
    kinds = [(metric, k, count) for metric in arguments.metrics for k in arguments.top_k for count in arguments.queries]
    request = {"command": "measure", "threads": threads, "rows": rows, "dimension": dimension}
    request.update(cells=kinds, seconds=arguments.seconds)
    place = {"rows": rows, "dimension": dimension, "threads": threads}
    cells = [{**place, "metric": metric, "top_k": k, "queries": count, "engines": {}} for metric, k, count in kinds]
    for turn in range(arguments.repeat):
        for engine in turns(list(engines), turn):
            name = f"{rows}x{dimension}, {threads} threads: {engine}"
            progress(f"{name}, {turn + 1}/{arguments.repeat}")
            try:
                take(cells, engine, ask(arguments.python, engine=engine, **request), problems)
            except ChildFailed as error:
                note(problems, f"{name}: {error}")
    for cell in cells:
        cell["engines"] = {engine: summary(found) for engine, found in cell["engines"].items() if "fault" not in found}
    return cells


def turns(engines, turn):
    first = turn % len(engines)
    return engines[first:] + engines[:first]


def take(cells, engine, answers, problems):
    """Adds the times of one process to its cells. An engine with a wrong answer has no time in that cell, not even later."""
    for cell, answer in zip(cells, answers):
        if answer is None:
            continue
        if "fault" in answer:
            name = "{rows}x{dimension} {metric} top {top_k} of {queries} queries, {threads} threads".format(**cell)
            note(problems, f"{name}: {engine}: {answer['fault']}")
            cell["engines"][engine] = answer
            continue
        found = cell["engines"].setdefault(engine, {"runs_ms": []})
        if "fault" not in found:
            found["runs_ms"] += answer["ms"]
            found.update({key: value for key, value in answer.items() if key != "ms"})


def summary(found):
    """The best of all calls is what counts: a scan can only be disturbed, and the memory is shared by all that runs."""
    runs = found["runs_ms"]
    facts = {key: value for key, value in found.items() if key != "runs_ms"}
    return {"ms": min(runs), "median_ms": statistics.median(runs), "calls": len(runs), **facts}


def cold(arguments, engines, threads, shape, problems):
    """The first query on a fresh table, by every engine, the best of the processes."""
    found = best_of(arguments, engines, problems, "ms", command="cold", threads=threads, rows=shape[0], dimension=shape[1])
    return {"rows": shape[0], "dimension": shape[1], "threads": threads, "engines": found}


def small(arguments, engines, problems):
    rows, dimension = SMALL
    request = {"command": "small", "threads": 1, "rows": rows, "dimension": dimension, "seconds": arguments.seconds}
    found = best_of(arguments, engines, problems, "us", **request)
    return {"rows": rows, "dimension": dimension, "engines": found}


def best_of(arguments, engines, problems, key, **request):
    found = {}
    for turn in range(arguments.repeat):
        for engine in turns(list(engines), turn):
            progress(f"{request['command']}: {engine}, {turn + 1}/{arguments.repeat}")
            try:
                answer = ask(arguments.python, engine=engine, **request)
            except ChildFailed as error:
                answer = {"fault": str(error)}
            if "fault" in answer:
                note(problems, f"{request['command']}: {engine}: {answer['fault']}")
                continue
            runs = answer[key] if isinstance(answer[key], list) else [answer[key]]
            answer[key] = min(runs)
            if engine not in found or answer[key] < found[engine][key]:
                found[engine] = answer
    return found


def ask(python, **request):
    """One request to a fresh vectors_child.py."""
    return json.loads(spawn([python, str(HERE / "vectors_child.py"), json.dumps(request)]).splitlines()[-1])


# --- the report


def judge(report):
    """Adds to every cell what its times are against, and which bars were missed."""
    for cell in report["cells"]:
        engines = cell["engines"]
        peers = {engine: engines[engine]["ms"] for engine in PEERS if engine in engines}
        against = dict(peers)
        if peers:
            cell["best_peer"] = min(peers, key=peers.get)
            against["best peer"] = peers[cell["best_peer"]]
        if cell["queries"] == 1:
            data_bytes = cell["rows"] * cell["dimension"] * FLOAT_BYTES
            against["memory"] = data_bytes / report["memory_gb_per_second"][cell["threads"]] / 1e6
            cell["memory_ms"] = against["memory"]
        ours = {engine: engines[engine]["ms"] for engine in OURS if engine in engines}
        cell["ratios"] = {engine: {name: own / ms for name, ms in against.items()} for engine, own in ours.items()}
        cell["missed"] = [
            f"{engine} {cell['ratios'][engine][name]:.2f} of {name}, not {bar}"
            for engine, queries, name, bar in BARS
            if queries == cell["queries"] and cell["ratios"].get(engine, {}).get(name, 0.0) > bar
        ]


def table(report):
    """Times of all engines in milliseconds, and Velaria's as parts of the best peer's, of numpy's and of the memory's."""
    parts = [cells_table(report), cold_table(report), small_table(report)]
    facts = report["machine"]
    before, after = facts["load_average_at_start"][0], facts["load_average_at_end"][0]
    speeds = ", ".join(f"{speed:.1f} GB/s by {threads}" for threads, speed in report["memory_gb_per_second"].items())
    lines = [
        f"{facts['cpu']}, {facts['cores']} cores, load {before} at the start, {after} at the end",
        f"memory read: {speeds} threads",
        ", ".join(f"{engine} {version}" for engine, version in report["engines"].items()),
        "the best of all calls in ms; a ratio under 1.00 means that Velaria is faster; * misses the bar of the project",
    ]
    lines += [f"PROBLEM {problem}" for problem in report["problems"]]
    return "\n".join(parts) + "\n" + "\n".join(lines) + "\n"


def cells_table(report):
    engines = list(report["engines"])
    ratios = [(engine, name) for engine in OURS if engine in engines for name in ("best peer", "numpy", "memory")]
    head = ["vectors", "metric", "k", "queries", "threads", *engines, *(f"{e} / {n}" for e, n in ratios)]
    lines = [head]
    for cell in report["cells"]:
        times = [cell_time(cell["engines"].get(engine)) for engine in engines]
        shown = [cell_ratio(cell, engine, name) for engine, name in ratios]
        names = ["{rows}x{dimension}".format(**cell), cell["metric"]]
        names += [str(cell[name]) for name in ("top_k", "queries", "threads")]
        lines.append(names + times + shown)
    return aligned(lines)


def cell_time(found):
    return f"{found['ms']:.4g}" if found else "-"


def cell_ratio(cell, engine, name):
    ratio = cell["ratios"].get(engine, {}).get(name)
    if ratio is None:
        return "-"
    bars = [bar for *which, bar in BARS if which == [engine, cell["queries"], name]]
    return f"{ratio:.2f}" + ("*" if bars and ratio > bars[0] else "")


def cold_table(report):
    lines = [["cold, cosine, k 10", "threads", *report["engines"], *(f"{engine} memory" for engine in report["engines"])]]
    for found in report["cold"]:
        answers = [found["engines"].get(engine) for engine in report["engines"]]
        memory = [cold_memory(answer) for answer in answers]
        lines.append([f"{found['rows']}x{found['dimension']}", str(found["threads"]), *map(cell_time, answers), *memory])
    return aligned(lines) + "memory: the most that was used, in parts of the data\n"


def cold_memory(answer):
    return f"{answer['memory']:.2f}" if answer and answer["memory"] else "-"


def small_table(report):
    found = report["small"]["engines"]
    shown = [f"{found[engine]['us']:.1f}" if engine in found else "-" for engine in report["engines"]]
    name = "one call, us: {rows}x{dimension}".format(**report["small"])
    return aligned([[name, *report["engines"]], ["", *shown]])


def aligned(lines):
    widths = [max(len(line[index]) for line in lines) for index in range(len(lines[0]))]
    return "".join(layout(line, widths) for line in lines)


if __name__ == "__main__":
    sys.exit(main())

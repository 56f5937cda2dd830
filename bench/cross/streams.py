#!/usr/bin/env python3
"""Streams on Velaria, by hand with its peers, and on other stream engines: one run side by side, with one answer.

This driver only schedules, compares and prints; engines are imported in child processes (streams_child.py). README.md in
this folder says what is measured.
"""

import argparse
import datetime
import json
import os
import statistics
import sys
from pathlib import Path

import checksum
from run import RESULTS, ChildFailed, load_average, machine, note, positive, progress, scale, spawn, words
from streams_runs import PACKAGES, WORKLOADS

HERE = Path(__file__).resolve().parent
OURS = "velaria"


def main():
    try:
        return bench(parse_arguments())
    except (ValueError, ChildFailed) as error:
        print(f"streams.py: {error}", file=sys.stderr)
        return 2


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--workloads", type=words, metavar="A,B", help=f"only these of {', '.join(WORKLOADS)}")
    add("--engines", type=words, metavar="A,B", help="only these engines (default: all that are installed)")
    add("--repeat", type=positive, default=3, metavar="N", help="processes per workload and engine (default 3)")
    add("--size-scale", type=scale, default=1.0, metavar="F", help="shrink the input, e.g. 0.01 for a smoke run")
    add("--python", default=os.environ.get("VELARIA_PYTHON_BIN", sys.executable), help="Python that has the engines")
    add("--peer", action="append", default=[], metavar="ENGINE=PYTHON", help="an engine that has a Python of its own")
    add("--output", type=Path, metavar="FILE", help="where the JSON goes (default: a dated file in bench/results)")
    return parser.parse_args()


def bench(arguments):
    unknown = sorted(set(arguments.workloads or []) - set(WORKLOADS))
    if unknown:
        raise ValueError(f"no such workload: {', '.join(unknown)}")
    pythons = find_engines(arguments)
    started = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
    report = {
        "report": "velaria-bench-streams",
        "report_version": 1,
        "started": started,
        "machine": machine(),
        "engines": {engine: version for engine, (_, version) in pythons.items()},
        "repeat": arguments.repeat,
        "size_scale": arguments.size_scale,
        "workloads": [],
        "problems": [],
    }
    for name in arguments.workloads or WORKLOADS:
        engines = [engine for engine in WORKLOADS[name][3] if PACKAGES.get(engine, engine) in pythons]
        if check(pythons, name, engines, report["problems"]):
            report["workloads"].append(measure(arguments, pythons, name, engines, report["problems"]))
    report["machine"]["load_average_at_end"] = load_average()
    path = arguments.output or RESULTS / f"streams-{started[:19].replace(':', '')}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    print(table(report), end="")
    progress(f"written to {path}")
    return 1 if report["problems"] else 0


def find_engines(arguments):
    """{package: (its Python, its version)} of what will run."""
    packages = {PACKAGES.get(engine, engine): None for _, _, _, runs in WORKLOADS.values() for engine in runs}
    own = dict(pair.split("=", 1) for pair in arguments.peer)
    wanted = arguments.engines or list(packages)
    unknown = sorted((set(wanted) | set(own)) - set(packages))
    if unknown:
        raise ValueError(f"no such engine: {', '.join(unknown)} (there are {', '.join(packages)})")
    found = {}
    for package in wanted:
        python = own.get(package, arguments.python)
        version = ask(python, package=package)
        if version is None and arguments.engines:
            raise ValueError(f"not installed in {python}: {package}")
        if version is None:
            progress(f"{package}: not installed, left out")
        else:
            found[package] = (python, version)
    return found


def check(pythons, name, engines, problems):
    """Nothing is timed before every engine gives the same answer at the small size."""
    answers = {}
    for engine in engines:
        progress(f"{name}: check {engine}")
        try:
            answers[engine] = run(pythons, name, engine, WORKLOADS[name][2])["checksum"]
        except ChildFailed as error:
            note(problems, f"{name}: {engine} at the check size: {error}")
    return agree(name, answers, problems) and bool(answers)


def agree(name, answers, problems):
    """Whether all answers are that of the last engine, which is a peer wherever there is one."""
    reference = next(reversed(answers), None)
    differences = {
        engine: checksum.difference(answers[reference], answer) for engine, answer in answers.items() if engine != reference
    }
    for engine, difference in differences.items():
        if difference:
            note(problems, f"{name}: {engine} differs from {reference}: {difference}")
    return not any(differences.values())


def measure(arguments, pythons, name, engines, problems):
    """Engines take turns, each round starts with another one, so that noise hits all alike."""
    _, size, size_min, _ = WORKLOADS[name]
    size = max(int(size * arguments.size_scale), min(size, size_min))
    runs = {engine: [] for engine in engines}
    for turn in range(arguments.repeat):
        progress(f"{name}: {turn + 1}/{arguments.repeat}")
        first = turn % len(engines)
        for engine in engines[first:] + engines[:first]:
            try:
                runs[engine].append(run(pythons, name, engine, size))
            except ChildFailed as error:
                note(problems, f"{name}: {engine}: {error}")
    runs = {engine: done for engine, done in runs.items() if done}
    agree(name, {engine: done[-1]["checksum"] for engine, done in runs.items()}, problems)
    return {"name": name, "asks": WORKLOADS[name][0], "size": size, "engines": {e: summary(d) for e, d in runs.items()}}


def summary(runs):
    return {
        "ms": statistics.median(run["ms"] for run in runs),
        "runs_ms": [run["ms"] for run in runs],
        "peak_rss_mb": max(run["peak_rss_mb"] for run in runs),
    }


def run(pythons, workload, engine, size):
    python, _ = pythons[PACKAGES.get(engine, engine)]
    return ask(python, workload=workload, engine=engine, size=size)


def ask(python, **request):
    """One request to a fresh streams_child.py."""
    return json.loads(spawn([python, str(HERE / "streams_child.py"), json.dumps(request)]).splitlines()[-1])


def table(report):
    """A line for each workload: Velaria's time, and what it is of the others' times."""
    lines = ["| workload | size | velaria | of the time of |", "| --- | --- | --- | --- |"]
    for found in report["workloads"]:
        ours = found["engines"].get(OURS, {}).get("ms")
        others = {engine: run["ms"] for engine, run in found["engines"].items() if engine != OURS}
        cells = [f"{engine} {ms:.4g} ms" if ours is None else f"{engine} {ours / ms:.2f}" for engine, ms in others.items()]
        shown = "-" if ours is None else f"{ours:.4g} ms"
        lines.append(f"| {found['name']} | {found['size']:,} | {shown} | {', '.join(cells) or '-'} |")
    facts = report["machine"]
    before, after = facts["load_average_at_start"][0], facts["load_average_at_end"][0]
    lines += ["", f"{facts['cpu']}, {facts['cores']} cores, load {before} at the start, {after} at the end"]
    lines += [", ".join(f"{engine} {version}" for engine, version in report["engines"].items())]
    lines += ["Velaria's time / the other's: under 1.00 Velaria is faster"]
    lines += [f"PROBLEM {problem}" for problem in report["problems"]]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())

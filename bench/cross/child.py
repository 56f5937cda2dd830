"""What runs in a fresh process: one request (JSON, first argument) in, one answer (JSON, last line of stdout) out."""

import gc
import json
import platform
import resource
import sys
import time
from importlib import metadata

import checksum
from engine import ENGINES

WARM_UP_PART = 20  # one twentieth of a loop runs before the clock starts


def main():
    request = json.loads(sys.argv[1])
    answer = COMMANDS[request.pop("command")](**request)
    print(json.dumps(answer))


def versions(packages):
    """The installed version of each package (and of "python"), None where there is none. Imports nothing."""
    return {package: version(package) for package in packages}


def version(package):
    if package == "python":
        return platform.python_version()
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def prepare(files):
    """The paths of the data files, made where they are missing."""
    import dataset

    return [dataset.path(*file) for file in files]


def check(engine, workloads):
    """What is wrong with the engine's answers at the check size: {workload: words}."""
    problems = {}
    for workload in workloads:
        try:
            _, actual = run(ENGINES[engine](), workload, workload["check_rows"], repeat=1)
            problem = checksum.difference(workload["expected"], actual)
        except Exception as error:  # an engine may raise anything, and the other workloads still count
            problem = f"{type(error).__name__}: {error}"
        if problem:
            problems[workload["name"]] = problem
    return problems


def expect(engine, workloads):
    """The checksums at the check size, for writing a new workload file."""
    return {w["name"]: run(ENGINES[engine](), w, w["check_rows"], repeat=1)[1] for w in workloads}


def measure(engine, workload, rows):
    adapter = ENGINES[engine]()
    # What the results are collected into: no engine shall pay for its import while the clock runs.
    import pyarrow.compute  # noqa: F401

    seconds, found = run(adapter, workload, rows, workload["repeat"])
    # Linux gives kilobytes, macOS bytes.
    unit = 1 << 20 if sys.platform == "darwin" else 1 << 10
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
    return {"ms": seconds * 1e3, "checksum": found, "peak_rss_mb": round(peak, 1)}


def run(adapter, workload, rows, repeat):
    """Seconds of one execution (mean over `repeat`) and the checksum of the last result."""
    file_format = workload["format"]
    source = load(workload, rows)
    execute = adapter.arrow if workload["result"] == "arrow" else adapter.rows
    sql = workload["sql"]

    def query():
        return execute(sql)

    def register():
        adapter.register(file_format, source)
        return execute(sql)

    def session():
        adapter.open()
        result = register()
        adapter.close()
        return result

    steps = {"query": query, "register": register}
    step = steps.get(workload["timed"], session)
    if step is not session:
        adapter.open()
    if step is query:
        adapter.register(file_format, source)
    seconds, result = clock(step, repeat)
    found = checksum.of_rows(result) if workload["result"] == "rows" else checksum.of_table(result)
    return seconds, found


def load(workload, rows):
    import dataset

    if workload["format"] == "memory":
        return dataset.memory(workload["dataset"], rows, workload.get("columns"))
    return dataset.path(workload["dataset"], workload["format"], rows)


def clock(step, repeat):
    for _ in range(repeat // WARM_UP_PART):
        step()
    gc.collect()
    start = time.perf_counter()
    for _ in range(repeat):
        result = step()
    return (time.perf_counter() - start) / repeat, result


COMMANDS = {"versions": versions, "prepare": prepare, "check": check, "expect": expect, "measure": measure}

if __name__ == "__main__":
    main()

"""What runs in a fresh process: one request (JSON, first argument) in, one answer (JSON, last line of stdout) out."""

import json
import os
import sys
import threading
import time


def main():
    request = json.loads(sys.argv[1])
    threads = request.get("threads", 1)
    # Read when the libraries are loaded, which is later.
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = str(threads)
    answer = COMMANDS[request.pop("command")](**request)
    print(json.dumps(answer))


def packages(engines):
    """{engine: its version, or None where it is not installed or has no vector search}"""
    from child import version
    from vectors_engines import ENGINES

    found = {engine: version(ENGINES[engine].PACKAGE) for engine in engines}
    return {engine: number if number and able(engine) else None for engine, number in found.items()}


def able(engine):
    if not engine.startswith("velaria"):
        return True
    import velaria

    return hasattr(velaria.Session, "vector_search")


def prepare(shapes, metrics):
    """Makes the data and the right answers."""
    import vectors_data

    for rows, dimension in shapes:
        for metric in metrics:
            vectors_data.right_answers(rows, dimension, metric)


def measure(engine, threads, rows, dimension, cells, seconds):
    """Each cell (metric, top_k, queries) warm: its times, or what is wrong with its answer and no time."""
    import vectors_data as data
    from vectors_engines import ENGINES

    matrix, asked = data.vectors(rows, dimension), data.queries(dimension)
    adapter = ENGINES[engine](matrix, threads)
    found, metric_before = [], None
    for metric, top_k, count in cells:
        if count > getattr(adapter, "QUERIES_MAX", count):
            found.append(None)
            continue
        if metric != metric_before:
            adapter.prepare(metric)
            metric_before = metric
        right = data.right_answers(rows, dimension, metric)[:count, :top_k]
        queries = asked[:count]
        answers = [adapter.ids(adapter.search(queries, top_k), count) for _ in range(adapter.WARM_UPS)]
        faults = [data.fault(matrix, queries, metric, right, ids, adapter.TOLERANCE) for ids in answers]
        fault = next(filter(None, faults), None)
        if fault:
            found.append({"fault": fault})
            continue
        answer = {"ms": times(lambda: adapter.search(queries, top_k), seconds), "recall": data.recall(answers[-1], right)}
        if hasattr(adapter, "explain"):
            answer["explain"] = adapter.explain(queries[0], top_k)
        found.append(answer)
    return found


def times(step, seconds, runs_min=3):
    """Milliseconds of each call, for about so many seconds."""
    found, end = [], time.perf_counter() + seconds
    while len(found) < runs_min or time.perf_counter() < end:
        start = time.perf_counter()
        step()
        found.append((time.perf_counter() - start) * 1e3)
    return found


def small(engine, threads, rows, dimension, seconds):
    """Microseconds of a call on a small table, mean of 50: what the way there costs."""
    import vectors_data as data
    from vectors_engines import ENGINES

    matrix, query = data.drawn(rows, dimension), data.queries(dimension)[:1]
    adapter = ENGINES[engine](matrix, threads)
    adapter.prepare("cosine")
    right = data.nearest(matrix, query, "cosine", 10)
    ids = adapter.ids(adapter.search(query, 10), 1)
    fault = data.fault(matrix, query, "cosine", right, ids, adapter.TOLERANCE)
    if fault:
        return {"fault": fault}
    calls = 50

    def step():
        for _ in range(calls):
            adapter.search(query, 10)

    return {"us": [ms / calls * 1e3 for ms in times(step, seconds)]}


def cold(engine, threads, rows, dimension):
    """The first query on new vectors: its time from the matrix on, and the most memory it took, in parts of the data."""
    import pyarrow  # noqa: F401 - what the engines would import
    import vectors_data as data
    from vectors_engines import ENGINES

    matrix, query = data.vectors(rows, dimension), data.queries(dimension)[:1]
    warm_up(ENGINES[engine], threads, data, dimension)
    before = memory("VmRSS")
    reset_peak()
    start = time.perf_counter()
    adapter = ENGINES[engine](matrix, threads)
    adapter.prepare("cosine")
    found = adapter.search(query, 10)
    ms = (time.perf_counter() - start) * 1e3
    peak = memory("VmHWM")
    right = data.right_answers(rows, dimension, "cosine")[:1, :10]
    fault = data.fault(matrix, query, "cosine", right, adapter.ids(found, 1), adapter.TOLERANCE)
    if fault:
        return {"fault": fault}
    return {"ms": ms, "memory": None if peak is None else (peak - before + matrix.nbytes) / matrix.nbytes}


def warm_up(engine, threads, data, dimension):
    """A search of a few vectors, so that libraries are loaded and their threads are there."""
    adapter = engine(data.drawn(1_000, dimension), threads)
    adapter.prepare("cosine")
    adapter.search(data.queries(dimension)[:1], 10)


def memory(name):
    """Bytes by the kernel's count, None where it does not tell."""
    try:
        with open("/proc/self/status", encoding="ascii") as lines:
            return next(int(line.split()[1]) << 10 for line in lines if line.startswith(name + ":"))
    except (OSError, StopIteration):
        return None


def reset_peak():
    try:
        with open("/proc/self/clear_refs", "w", encoding="ascii") as file:
            file.write("5")
    except OSError:
        pass  # then the peak counts from the start of the process, which is not less


def bandwidth(readers, mebibytes, seconds):
    """The most bytes a second that threads read memory with, each a part of its own: by the search for a byte of the C
    library, or by a reduction of numpy. BLAS has one thread here, because `threads` is not asked for."""
    import numpy as np

    words = np.zeros((mebibytes << 20) // 8, dtype=np.int64)
    words += 0  # pages that were never written are one page
    parts = np.array_split(words, readers)
    floats = [part.view(np.float32) for part in parts]
    ways = [
        [lambda part=part: np.bitwise_or.reduce(part) for part in parts],
        [lambda part=part: np.dot(part, part) for part in floats],
    ]
    memchr = byte_search()
    if memchr:
        ways.append([lambda part=part: memchr(part.ctypes.data, 1, part.nbytes) for part in parts])
    best = min(min(times(lambda way=way: together(way), seconds)) for way in ways)
    return {"gb_per_second": words.nbytes / best / 1e6}


def byte_search():
    """memchr, which runs without the interpreter lock; None where it is not to be had."""
    import ctypes

    try:
        memchr = ctypes.CDLL(None).memchr
    except (OSError, TypeError, AttributeError):
        return None
    memchr.argtypes, memchr.restype = [ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t], ctypes.c_void_p
    return memchr


def together(steps):
    others = [threading.Thread(target=step) for step in steps[1:]]
    for other in others:
        other.start()
    steps[0]()
    for other in others:
        other.join()


COMMANDS = {
    "packages": packages,
    "prepare": prepare,
    "measure": measure,
    "small": small,
    "cold": cold,
    "bandwidth": bandwidth,
}

if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Rows per second from code of the program through a stream query and back. README.md says what is measured."""

import argparse
import collections
import json
import statistics
import sys
import time

COLUMNS = {"id": "BIGINT", "name": "STRING", "value": "DOUBLE"}


def dicts(rows, _):
    for number in range(rows):
        yield {"id": number, "name": "name", "value": number / 2}


def tuples(rows, _):
    for number in range(rows):
        yield (number, "name", number / 2)


def batches(rows, batch_rows):
    import pyarrow as pa

    batch = pa.record_batch(
        {"id": range(batch_rows), "name": ["name"] * batch_rows, "value": [number / 2 for number in range(batch_rows)]}
    )
    for _ in range(0, rows, batch_rows):
        yield batch


class Offsets:
    """Rows with an offset behind each."""

    def __init__(self, rows, _):
        self.rows, self.place = rows, 0

    def __iter__(self):
        while self.place < self.rows:
            self.place += 1
            yield (self.place, "name", self.place / 2)

    def offset(self):
        return self.place

    def seek(self, offset):
        self.place = offset


SOURCES = {"dicts": dicts, "tuples": tuples, "arrow": batches, "offsets": Offsets}


def main():
    arguments = parse_arguments()
    report = {"rows": arguments.rows, "batch_rows": arguments.batch_rows, "bar": arguments.bar, "sources": {}}
    for name, source in SOURCES.items():
        alone = statistics.median(counted(source, arguments) for _ in range(arguments.repeat))
        through = statistics.median(streamed(source, arguments) for _ in range(arguments.repeat))
        report["sources"][name] = {
            "rows_per_second": round(arguments.rows / through),
            "iterator_rows_per_second": round(arguments.rows / alone),
        }
    print(json.dumps(report) if arguments.json else table(report))
    return int(any(figures["rows_per_second"] < arguments.bar for figures in report["sources"].values()))


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=300_000)
    parser.add_argument("--batch-rows", type=int, default=1_000)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--bar", type=float, default=100_000, help="rows per second under which the run fails")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


def counted(source, arguments):
    """How long the iterator takes alone."""
    items = iter(source(arguments.rows, arguments.batch_rows))
    begun = time.perf_counter()
    collections.deque(items, maxlen=0)
    return time.perf_counter() - begun


def streamed(source, arguments):
    """How long the rows take through a query."""
    import velaria

    taken = []
    session = velaria.Session()
    stream = session.read_custom_stream(
        source(arguments.rows, arguments.batch_rows), COLUMNS, emit_rows=arguments.batch_rows, emit_interval_seconds=60
    )
    query = stream.write_stream_custom(lambda emission: taken.append(len(emission)), trigger_interval_ms=0)
    begun = time.perf_counter()
    query.start().await_termination()
    seconds = time.perf_counter() - begun
    if sum(taken) != arguments.rows or max(taken) != arguments.batch_rows:
        raise SystemExit("rows were lost: {} of {}".format(sum(taken), arguments.rows))
    return seconds


def table(report):
    lines = ["{:<10} {:>16} {:>20}".format("source", "rows/s", "iterator alone")]
    for name, figures in report["sources"].items():
        lines.append("{:<10} {rows_per_second:>16,} {iterator_rows_per_second:>20,}".format(name, **figures))
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())

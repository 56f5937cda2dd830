"""How fast Arrow comes in: the same batches as a table, as a reader, and through the C stream of an unknown object.

Prints one ``[bench]`` line for each round and one ``[bench-summary]`` line for each way. A round registers the batches
and runs a query over them, so that nothing can be put off. Needs pyarrow.
"""

import argparse
import statistics
import time
from typing import Any, Callable, Dict, List, Tuple

import pyarrow  # type: ignore

import velaria


class StreamOnly:
    """What another library would pass: a C stream and nothing else."""

    def __init__(self, table: Any) -> None:
        self.table = table

    def __arrow_c_stream__(self, requested_schema: object = None) -> Any:
        return self.table.__arrow_c_stream__(requested_schema)


def record_batches(count: int, rows: int) -> List[Any]:
    names = ["n{}".format(number % 97) for number in range(rows)]
    return [
        pyarrow.record_batch(
            {
                "id": pyarrow.array(range(batch * rows, (batch + 1) * rows), pyarrow.int64()),
                "name": pyarrow.array(names),
                "score": pyarrow.array([number * 0.5 for number in range(rows)], pyarrow.float64()),
            }
        )
        for batch in range(count)
    ]


def ways(batches: List[Any]) -> Dict[str, Callable[[], Any]]:
    """A way makes a new object for each round: a reader can be read once."""
    table = pyarrow.Table.from_batches(batches)
    return {
        "table": lambda: table,
        "reader": lambda: pyarrow.RecordBatchReader.from_batches(table.schema, batches),
        "c-stream": lambda: StreamOnly(table),
    }


def ingest(source: Any, rows: int) -> Tuple[float, float]:
    """Milliseconds until the data is registered, and until a query has read all of it."""
    with velaria.Session() as session:
        started = time.perf_counter()
        session.create_temp_view("bench_input", session.create_dataframe_from_arrow(source))
        registered = time.perf_counter()
        found = session.sql("SELECT COUNT(*), MAX(id), SUM(score) FROM bench_input").fetchall()
        answered = time.perf_counter()
    assert found[0][:2] == (rows, rows - 1), found
    return (registered - started) * 1e3, (answered - started) * 1e3


def main() -> None:
    parser = argparse.ArgumentParser(description="How fast Arrow comes in.")
    parser.add_argument("--batches", type=int, default=8)
    parser.add_argument("--rows", type=int, default=4096, help="rows of a batch")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    total = options.batches * options.rows
    for name, make in ways(record_batches(options.batches, options.rows)).items():
        taken = []
        for number in range(1, options.rounds + 1):
            registered_ms, answered_ms = ingest(make(), total)
            taken.append(answered_ms)
            print(f"[bench] source={name} round={number} rows={total} registered_ms={registered_ms:.3f} answered_ms={answered_ms:.3f}")
        median = statistics.median(taken)
        print(f"[bench-summary] source={name} rounds={len(taken)} median_ms={median:.3f} rows_per_second={total / median * 1e3:.0f}")


if __name__ == "__main__":
    main()

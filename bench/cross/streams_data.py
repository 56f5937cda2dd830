"""What the streams of streams.py are fed: events and bids in micro-batches, and folders of CSV files. Runs in child
processes only."""

import os
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv

import dataset

VERSION = 1  # stands in the names of folders: raise it when any byte of the data changes
AUCTIONS = 10_000
BIDS_PER_MS = 10


def folder(files, rows):
    """A cached folder of `files` CSV files of `rows` events each: key,value."""
    root = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    target = Path(root) / "velaria" / "bench" / f"stream-v{VERSION}-{files}x{rows}"
    if not target.exists():
        # Written aside and renamed, so that a folder which is there is whole.
        partial = target.with_name(f"{target.name}.{os.getpid()}.partial")
        partial.mkdir(parents=True)
        options = pacsv.WriteOptions(quoting_style="none")
        for index in range(files):
            batch = dataset.events(index * rows, (index + 1) * rows).select(["key", "value"])
            pacsv.write_csv(batch, partial / f"part-{index:05}.csv", options)
        try:
            partial.rename(target)
        except OSError:  # somebody else was faster
            shutil.rmtree(partial)
    return target


def events(rows, batch_rows):
    """(ts, key, user, value) in micro-batches; one event a millisecond, in order."""

    def batch(start, stop):
        ids, key, user, hundredths, _ = dataset.event_numbers(start, stop)
        return pa.record_batch({"ts": ids, "key": key, "user": user, "value": hundredths / 100.0})

    return cut(rows, batch_rows, batch)


def bids(rows, batch_rows):
    """Bids as in Nexmark: (auction, bidder, price, ts), ten a millisecond, some auctions hotter than others."""

    def batch(start, stop):
        ids, key, user, hundredths, _ = dataset.event_numbers(start, stop)
        hot = key % 4 == 0
        auction = np.where(hot, user % 100, user % AUCTIONS)
        return pa.record_batch({"auction": auction, "bidder": user, "price": hundredths, "ts": ids // BIDS_PER_MS})

    return cut(rows, batch_rows, batch)


def cut(rows, batch_rows, batch):
    return [batch(start, min(start + batch_rows, rows)) for start in range(0, rows, batch_rows)]

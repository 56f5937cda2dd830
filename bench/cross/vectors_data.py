"""The vectors of vectors.py and the right answers to its queries. Runs in child processes only; needs numpy."""

import os
from pathlib import Path

import numpy as np

VERSION = 1  # stands in the names of files: raise it when any number of the data changes
QUERIES = 64
TOP_K_MAX = 100
CHUNK_ROWS = 8_192

# Names in the order of the report.
METRICS = ("cosine", "dot", "l2")


def folder():
    root = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return Path(root) / "velaria" / "bench"


def vectors(rows, dimension):
    """The stored vectors and the queries, both of 32-bit floats: independent normal components, for which no bound and no
    index can leave out much."""
    return cached(f"vectors-v{VERSION}-{rows}x{dimension}.npy", lambda: drawn(rows, dimension))


def queries(dimension):
    return np.random.default_rng(QUERIES + dimension).standard_normal((QUERIES, dimension), dtype=np.float32)


def drawn(rows, dimension):
    return np.random.default_rng(dimension).standard_normal((rows, dimension), dtype=np.float32)


def right_answers(rows, dimension, metric):
    """The ids of the TOP_K_MAX nearest rows of each query by 64-bit scores, ties by row: an array of queries x ids."""
    name = f"vectors-v{VERSION}-{rows}x{dimension}-{metric}.npy"
    return cached(name, lambda: nearest(vectors(rows, dimension), queries(dimension), metric, TOP_K_MAX))


def cached(name, make):
    """The array of a file in the cache folder, made where there is none."""
    target = folder() / name
    if not target.exists():
        # Written aside and renamed, so that a file which is there is whole.
        folder().mkdir(parents=True, exist_ok=True)
        partial = target.with_name(f"{os.getpid()}-{name}")
        np.save(partial, make())
        partial.replace(target)
    return np.load(target)


def nearest(matrix, asked, metric, top_k):
    """The full sort, block by block: slow, plain, and the only judge."""
    ids = np.empty((len(asked), 0), dtype=np.int64)
    keys = np.empty((len(asked), 0))
    for start in range(0, len(matrix), CHUNK_ROWS):
        block = matrix[start : start + CHUNK_ROWS]
        rows = np.broadcast_to(np.arange(start, start + len(block)), (len(asked), len(block)))
        keys = np.hstack([keys, sort_keys(block, asked, metric)])
        ids = np.hstack([ids, rows])
        # Stable, and earlier rows come first: ties go by row.
        order = np.argsort(keys, axis=1, kind="stable")[:, :top_k]
        keys, ids = np.take_along_axis(keys, order, axis=1), np.take_along_axis(ids, order, axis=1)
    return ids


def sort_keys(block, asked, metric):
    """Scores in 64 bits, turned so that smaller is nearer: an array of queries x rows."""
    block, asked = block.astype(np.float64), asked.astype(np.float64)
    dots = asked @ block.T
    if metric == "dot":
        return -dots
    rows, norms = (block * block).sum(axis=1), (asked * asked).sum(axis=1)[:, None]
    if metric == "l2":
        return np.sqrt(np.maximum(rows + norms - 2.0 * dots, 0.0))
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(rows * norms > 0.0, 1.0 - dots / np.sqrt(rows * norms), 1.0)


def fault(matrix, asked, metric, right, found, tolerance):
    """What is wrong with the ids that an engine found, or None. Another row than the right one is no fault where its score
    is within `tolerance` of that of the right one: scores in 32 bits have ties that are none in 64."""
    if found.shape != right.shape:
        return f"found {found.shape} ids, not {right.shape}"
    for query, (ids, best) in enumerate(zip(found, right)):
        if len(set(ids.tolist())) < len(ids):
            return f"query {query}: a row was found twice"
        if ids.min() < 0 or ids.max() >= len(matrix):
            return f"query {query}: there is no such row"
        if (ids == best).all():
            continue
        keys = sort_keys(matrix[np.concatenate([ids, best])], asked[query : query + 1], metric)[0]
        have, want = keys[: len(ids)], keys[len(ids) :]
        slack = tolerance * max(1.0, np.abs(want).max())
        if (np.abs(have - want) > slack).any():
            return f"query {query}: recall {recall(ids[None], best[None]):.3f}, {(have - want).max():.3g} too far"
    return None


def recall(found, right):
    """The part of the right rows that were found."""
    hits = sum(len(set(ids.tolist()) & set(best.tolist())) for ids, best in zip(found, right))
    return hits / right.size

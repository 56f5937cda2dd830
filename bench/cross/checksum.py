"""The checksum of a result: per column the non-null count and an order-independent sum (workloads/README.md).

Two ways to the same numbers: over Python rows in plain Python, and over a pyarrow Table for results too large for that.
"""

import math

RELATIVE_TOLERANCE = 1e-9


def of_rows(rows):
    """The checksum of a list of row tuples. Without rows there is no way to tell the columns."""
    columns = list(zip(*rows))
    values = [[value for value in column if value is not None] for column in columns]
    return {
        "rows": len(rows),
        "non_null": [len(column) for column in values],
        "sums": [math.fsum(map(weight, column)) for column in values],
    }


def weight(value):
    """A number stands for itself, text for the sum of its UTF-8 bytes, anything else for nothing."""
    if isinstance(value, str):
        return float(sum(value.encode("utf-8")))
    try:
        return float(value)
    except TypeError:
        return 0.0


def of_table(table):
    """The checksum of a pyarrow Table, equal to `of_rows` of its rows."""
    return {
        "rows": table.num_rows,
        "non_null": [len(column) - column.null_count for column in table.columns],
        "sums": [column_sum(column) for column in table.columns],
    }


def column_sum(column):
    import pyarrow as pa
    import pyarrow.compute as pc

    kinds = pa.types
    numbers = (kinds.is_boolean, kinds.is_integer, kinds.is_floating, kinds.is_decimal)
    texts = (kinds.is_string, kinds.is_large_string, kinds.is_string_view)
    if any(test(column.type) for test in numbers):
        return float(pc.sum(pc.cast(column, pa.float64())).as_py() or 0.0)
    if any(test(column.type) for test in texts):
        return math.fsum(weight(value) for value in column.to_pylist() if value is not None)
    return 0.0


def difference(expected, actual):
    """The first thing in `actual` that is not as in `expected`, in words, or None. Missing sums are not compared."""
    if expected["rows"] != actual["rows"]:
        return f"rows: {expected['rows']} expected, {actual['rows']} found"
    for key in ("non_null", "sums"):
        if key not in expected:
            continue
        if len(expected[key]) != len(actual[key]):
            return f"columns: {len(expected[key])} expected, {len(actual[key])} found"
        for index, (want, have) in enumerate(zip(expected[key], actual[key]), start=1):
            if not math.isclose(want, have, rel_tol=RELATIVE_TOLERANCE, abs_tol=1e-9):
                return f"{key} of column {index}: {want!r} expected, {have!r} found"
    return None

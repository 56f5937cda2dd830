"""Reads the workload files of bench/workloads.

The files keep to a corner of TOML where every value is also valid JSON on one line (see workloads/README.md), so this
reader needs no TOML library and runs on Python 3.9. Standard library only.
"""

import json
from pathlib import Path

FOLDER = Path(__file__).resolve().parent.parent / "workloads"

DATASETS = {"events": None, "flights": 336_776}  # name: most rows it can give, None = any number
MADE_IN_MEMORY_ROWS_MAX = 1 << 20  # an Arrow table of more events is read from a cached Parquet file
FORMATS = ("csv", "parquet", "memory")
TIMED = ("query", "register", "session", "process", "import")
RESULTS = ("arrow", "rows")
DEFAULTS = {"timed": "register", "result": "arrow", "repeat": 1}
REQUIRED = ("name", "description", "dataset", "format", "rows", "sql", "check_rows", "expected")
OPTIONAL = ("timed", "result", "repeat", "columns")


def load_all(names=None):
    """Every workload in file-name order, or those in `names`, each a dict with the defaults filled in."""
    workloads = [load(path) for path in sorted(FOLDER.glob("*.toml"))]
    if not names:
        return workloads
    unknown = sorted(set(names) - {workload["name"] for workload in workloads})
    if unknown:
        raise ValueError("no such workload: " + ", ".join(unknown))
    return [workload for workload in workloads if workload["name"] in names]


def load(path):
    workload = dict(DEFAULTS, **parse(path.read_text(encoding="utf-8"), path.name))
    problem = check(workload, path.stem)
    if problem:
        raise ValueError(f"{path.name}: {problem}")
    return workload


def parse(text, origin):
    """`key = <JSON>` lines, `[table]` lines, `#` comment lines and blank lines; nothing else."""
    root = {}
    table = root
    for number, line in enumerate(text.splitlines(), start=1):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        if line.startswith("[") and line.endswith("]"):
            table = root.setdefault(line[1:-1].strip(), {})
            continue
        key, equals, value = line.partition("=")
        try:
            if not equals:
                raise ValueError("expected key = value")
            table[key.strip()] = json.loads(value)
        except ValueError as error:
            raise ValueError(f"{origin}:{number}: {error}") from None
    return root


def check(workload, stem):
    """What is wrong with a workload, or None."""
    missing = [key for key in REQUIRED if key not in workload]
    if missing:
        return "missing " + ", ".join(missing)
    unknown = sorted(set(workload) - set(REQUIRED) - set(OPTIONAL))
    if unknown:
        return "unknown " + ", ".join(unknown)
    if workload["name"] != stem:
        return "name is not the file name"
    for key, allowed in (("dataset", DATASETS), ("format", FORMATS), ("timed", TIMED), ("result", RESULTS)):
        if workload[key] not in allowed:
            return f"{key} is none of {', '.join(allowed)}"
    if "columns" in workload and workload["format"] != "memory":
        return "columns is for format memory only"
    return None


def scaled_rows(workload, scale):
    """The rows to measure on: shrunk by `scale`, never under the rows of the check, never over what the data has."""
    rows = workload["rows"]
    return rows if scale >= 1 else max(int(rows * scale), min(rows, workload["check_rows"]))

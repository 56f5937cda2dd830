"""Reads files with one engine and judges what it gives: a path a line in, a word and a note a line out.

Every reader is what the engine's own documentation shows first for a file of that ending; an ending that says nothing is
taken for CSV. Nothing is said about the content.
"""

import json
import math
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "conformance"))

from nasty import judge, model  # noqa: E402 - found on the path above
from nasty.cases import case_of  # noqa: E402

NOTE_CHARS = 160
MISSING_MARK = "missing: "


def main():
    # What engines print must not mix with the answers.
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    try:
        engine = ENGINES[sys.argv[1]]()
    except (ImportError, AttributeError) as error:
        print(f"{MISSING_MARK}{error}", file=out, flush=True)
        return
    print("ready", file=out, flush=True)
    for line in sys.stdin:
        print(json.dumps(answer(engine, line.rstrip("\n"))), file=out, flush=True)


def answer(engine, path):
    case = case_of(os.path.basename(path))
    kind = kind_of(path)
    if kind in getattr(engine, "UNREAD", ()):
        return judge.REFUSED, f"does not read {kind} files"
    try:
        names, rows = engine.read(path, kind)
        found = judge.Found(list(names), None, [[plain(value) for value in row] for row in rows])
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001 - a panic of Rust is no Exception, and is told apart below
        text = f"{type(error).__name__}: {error}".replace("\n", " ")[:NOTE_CHARS]
        if "Panic" in type(error).__name__:
            return "crash", text
        return judge.verdict(case, judge.Refused(None, text)), text
    word = judge.verdict(case, found)
    return word, "" if word == judge.RIGHT else note(case, found)


def note(case, found):
    """What the engine made of it, for a person to check the judge."""
    shape = f"{len(found.names)} x {len(found.rows)}"
    if isinstance(case.expect, model.Refusal):
        return f"a table of {shape}: {found.names} {found.rows[:2]}"[:NOTE_CHARS]
    pairs = zip(case.expect.rows, found.rows)
    unlike = next((pair for pair in pairs if not judge.close(*map(list, pair))), None)
    words = unlike and "expected {}, found {}".format(*unlike)
    return f"{shape} {found.names[:4]}; {words}"[:NOTE_CHARS]


def kind_of(path):
    name = os.path.basename(path).lower()
    for packed in (".gz", ".bz2", ".xz", ".zst", ".zip"):
        if name.endswith(packed):
            name = name[: -len(packed)]
    ending = os.path.splitext(name)[1].lstrip(".")
    return ending if ending in ("ndjson", "json", "parquet", "arrow", "xlsx") else "csv"


def plain(value):
    """The plain form of a value, of numpy and pandas too."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    if type(value).__name__ in ("NaTType", "NAType"):
        return None
    if type(value).__name__ == "Timestamp":
        value = value.to_pydatetime(warn=False)
    if isinstance(value, str):
        return str(value)
    return model.plain(value)


class Velaria:
    def __init__(self):
        import velaria

        self.session = velaria.Session()
        self.session.read  # an older build has none, and then is not there

    def read(self, path, kind):
        frame = self.session.read(path)
        types = [model.type_word(str(of)) for of in frame.schema.types]
        if "TIMESTAMP(9)" in types:
            import pyarrow

            table = pyarrow.table(frame)
            return table.column_names, rows_of(table)
        return frame.columns, frame.fetchall()


class DuckDb:
    # Both need extensions that are loaded from the network.
    UNREAD = ("arrow", "xlsx")
    READERS = {"ndjson": "read_json", "json": "read_json", "parquet": "read_parquet"}

    def __init__(self):
        import duckdb

        self.module = duckdb

    def read(self, path, kind):
        reader = self.READERS.get(kind, "read_csv")
        relation = self.module.connect().sql("FROM {}('{}')".format(reader, path.replace("'", "''")))
        return relation.columns, relation.fetchall()


class Polars:
    def __init__(self):
        import polars

        self.module = polars

    def read(self, path, kind):
        frame = self.frame(path, kind)
        return frame.columns, frame.rows()

    def frame(self, path, kind):
        if kind == "csv":
            return self.module.read_csv(path, try_parse_dates=True)
        names = {"ndjson": "read_ndjson", "json": "read_json", "parquet": "read_parquet", "xlsx": "read_excel"}
        return getattr(self.module, names.get(kind, "read_ipc"))(path)


class Pandas:
    def __init__(self):
        import pandas

        self.module = pandas

    def read(self, path, kind):
        frame = self.frame(path, kind)
        columns = [[self.value(cell) for cell in frame.iloc[:, index].tolist()] for index in range(frame.shape[1])]
        return [str(name) for name in frame.columns], list(zip(*columns))

    @staticmethod
    def value(cell):
        """NaN is how pandas writes NULL, and is not held against it."""
        return None if isinstance(cell, float) and math.isnan(cell) else cell

    def frame(self, path, kind):
        if kind == "ndjson":
            return self.module.read_json(path, lines=True)
        names = {"json": "read_json", "parquet": "read_parquet", "xlsx": "read_excel", "arrow": "read_feather"}
        return getattr(self.module, names.get(kind, "read_csv"))(path)


class DataFusion:
    UNREAD = ("xlsx",)

    def __init__(self):
        import datafusion

        self.module = datafusion

    def read(self, path, kind):
        context = self.module.SessionContext()
        ending = "".join(Path(path).suffixes[-1:])
        if kind == "csv":
            frame = context.read_csv(path, file_extension=ending)
        elif kind in ("ndjson", "json"):
            frame = context.read_json(path, file_extension=ending)
        elif kind == "parquet":
            frame = context.read_parquet(path, file_extension=ending)
        else:
            frame = context.sql("SELECT * FROM '{}'".format(path.replace("'", "''")))
        table = frame.to_arrow_table()
        return table.column_names, rows_of(table)


def rows_of(table):
    """The rows of an Arrow table, with times of nanoseconds as their texts."""
    import pyarrow

    columns = []
    for column in table.columns:
        if pyarrow.types.is_timestamp(column.type) and column.type.unit == "ns":
            zone = "Z" if column.type.tz else ""
            texts = column.cast(pyarrow.timestamp("ns")).cast(pyarrow.string()).to_pylist()
            columns.append([text and model.without_zeros(text.replace(" ", "T")).rstrip(".") + zone for text in texts])
        else:
            columns.append(column.to_pylist())
    return list(zip(*columns))


ENGINES = {"velaria": Velaria, "duckdb": DuckDb, "polars": Polars, "pandas": Pandas, "datafusion": DataFusion}

if __name__ == "__main__":
    main()

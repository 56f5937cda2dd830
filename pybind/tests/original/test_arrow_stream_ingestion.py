"""Arrow comes in by readers and by the C stream of any object; a stream keeps the batches of its reader."""

import tempfile
import unittest
from pathlib import Path
from typing import Any

import pytest

pa = pytest.importorskip("pyarrow")

from velaria import Session  # noqa: E402


def two_batches() -> Any:
    schema = pa.schema([("id", pa.int64()), ("name", pa.string())])
    batches = [
        pa.record_batch([pa.array([1, 2], pa.int64()), pa.array(["a", "b"])], schema=schema),
        pa.record_batch([pa.array([3], pa.int64()), pa.array(["c"])], schema=schema),
    ]
    return pa.RecordBatchReader.from_batches(schema, batches)


class StreamOnly:
    """An object of another library, whose method takes no arguments."""

    def __init__(self, table: Any) -> None:
        self.table = table

    def __arrow_c_stream__(self) -> Any:
        return self.table.__arrow_c_stream__()


class ArrowStreamIngestionTest(unittest.TestCase):
    def test_batches_of_a_reader_are_one_frame(self) -> None:
        session = Session()
        session.create_temp_view("ingest_reader", session.create_dataframe_from_arrow(two_batches()))
        answer = session.sql("SELECT id, name FROM ingest_reader WHERE id > 1").to_rows()
        self.assertEqual(answer, {"schema": ["id", "name"], "rows": [[2, "b"], [3, "c"]]})

    def test_an_object_with_a_c_stream_is_a_frame(self) -> None:
        session = Session()
        wrapped = StreamOnly(pa.table({"id": [1, 2, 3], "score": [0.5, 1.5, 2.5]}))
        session.create_temp_view("ingest_wrapped", session.create_dataframe_from_arrow(wrapped))
        answer = session.sql("SELECT id, score FROM ingest_wrapped WHERE score > 1").to_rows()
        self.assertEqual(answer["rows"], [[2, 1.5], [3, 2.5]])

    def test_batches_of_a_reader_are_micro_batches(self) -> None:
        session = Session()
        session.create_temp_view("ingest_stream", session.create_stream_from_arrow(two_batches()))
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "out.csv"
            session.sql(
                "CREATE SINK TABLE ingest_sink (id INT, name STRING) USING csv OPTIONS(path '{}', delimiter ',')".format(path)
            )
            query = session.start_stream_sql("INSERT INTO ingest_sink SELECT id, name FROM ingest_stream", trigger_interval_ms=0)
            query.start()
            self.assertEqual(query.await_termination(), 2)
            progress = query.progress()
            self.assertEqual(progress["batches_processed"], 2)
            self.assertEqual(progress["last_source_offset"], "2")


if __name__ == "__main__":
    unittest.main()

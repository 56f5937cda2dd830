"""Rows of a program become Arrow batches by count, and batches reach a callback; any session-like object will do."""

import unittest
from typing import Any, List

import pytest

pa = pytest.importorskip("pyarrow")

from velaria import (  # noqa: E402
    CustomArrowStreamSink,
    CustomArrowStreamSource,
    consume_arrow_batches_with_custom_sink,
    create_stream_from_custom_source,
)


class FakeSession:
    """Takes batches and returns something of its own."""

    def __init__(self) -> None:
        self.batches: List[Any] = []

    def create_stream_from_arrow(self, batches: Any) -> Any:
        self.batches = list(batches)
        return ("stream", len(self.batches))


class CustomStreamTest(unittest.TestCase):
    def test_batches_are_cut_by_rows(self) -> None:
        source = CustomArrowStreamSource(emit_interval_seconds=3600.0, emit_rows=2)
        batches = source.to_arrow_batches({"id": number, "name": "n{}".format(number)} for number in range(5))
        self.assertEqual([batch.num_rows for batch in batches], [2, 2, 1])
        self.assertEqual(pa.concat_tables(batches).to_pydict()["id"], [0, 1, 2, 3, 4])

    def test_a_session_gets_the_batches_and_its_answer_is_returned(self) -> None:
        session = FakeSession()
        rows = [{"id": 1}, {"id": 2}, {"id": 3}]
        answer = create_stream_from_custom_source(session, rows, emit_interval_seconds=3600.0, emit_rows=2)
        self.assertEqual(answer, ("stream", 2))
        self.assertEqual([batch.num_rows for batch in session.batches], [2, 1])
        source = CustomArrowStreamSource(emit_interval_seconds=3600.0, emit_rows=3)
        self.assertEqual(source.to_stream_dataframe(session, rows), ("stream", 1))

    def test_sequences_need_a_schema(self) -> None:
        schema = pa.schema([("id", pa.int64()), ("name", pa.string())])
        batches = CustomArrowStreamSource(schema, emit_interval_seconds=3600.0, emit_rows=10).to_arrow_batches([(1, "a"), (2, "b")])
        self.assertEqual([batch.to_pydict() for batch in batches], [{"id": [1, 2], "name": ["a", "b"]}])
        self.assertEqual(batches[0].schema, schema)
        with self.assertRaisesRegex(ValueError, "schema is required when rows are sequence-based"):
            CustomArrowStreamSource().to_arrow_batches([(1, "a")])
        with self.assertRaisesRegex(ValueError, "row width does not match schema"):
            CustomArrowStreamSource(schema).to_arrow_batches([(1,)])
        with self.assertRaisesRegex(ValueError, "emit_rows must be > 0"):
            CustomArrowStreamSource(emit_rows=0)
        with self.assertRaisesRegex(ValueError, "emit_interval_seconds must be > 0"):
            CustomArrowStreamSource(emit_interval_seconds=0)

    def test_a_sink_gathers_rows_for_its_callback(self) -> None:
        seen: List[Any] = []
        sink = CustomArrowStreamSink(seen.append, emit_interval_seconds=3600.0, emit_rows=3)
        batches = [pa.table({"id": [1]}), pa.table({"id": [2, 3]}), pa.table({"id": [4]})]
        consume_arrow_batches_with_custom_sink(batches, sink)
        self.assertEqual([table.num_rows for table in seen], [3, 1])
        self.assertEqual(pa.concat_tables(seen).to_pydict()["id"], [1, 2, 3, 4])
        with self.assertRaisesRegex(ValueError, "on_emit must be callable"):
            CustomArrowStreamSink(None)  # type: ignore[arg-type]


if __name__ == "__main__":
    unittest.main()

"""Batch SQL over Arrow, stream SQL from Arrow to a CSV sink, windows, local workers, and explain."""

import csv
import json
import tempfile
import unittest
from pathlib import Path
from typing import Any, Dict, List

import pytest

pa = pytest.importorskip("pyarrow")

from velaria import Session  # noqa: E402


def table(**columns: List[Any]) -> Any:
    return pa.table(columns)


def rows_of(path: Path) -> List[Dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


class StreamingTest(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.session = Session()

    def stream(self, name: str, data: Any) -> None:
        self.session.create_temp_view(name, self.session.create_stream_from_arrow(data))

    def sink(self, name: str, columns: str, options: str = "path '{}', delimiter ','") -> Path:
        path = self.folder / (name + ".csv")
        self.session.sql("CREATE SINK TABLE {} ({}) USING csv OPTIONS({})".format(name, columns, options.format(path)))
        return path

    def test_batch_sql_over_an_arrow_table(self) -> None:
        frame = self.session.create_dataframe_from_arrow(table(id=[1, 2, 3], amount=[10, 20, 30]))
        self.session.create_temp_view("v05_batch_input", frame)
        answer = self.session.sql("SELECT id, amount FROM v05_batch_input WHERE id > 1").to_rows()
        self.assertEqual(answer["schema"], ["id", "amount"])
        self.assertEqual(answer["rows"], [[2, 20], [3, 30]])

    def test_stream_sql_writes_totals_to_a_csv_sink(self) -> None:
        self.stream("v05_totals_input", table(key=["a", "b", "a"], value=[1, 5, 2]))
        path = self.sink("v05_totals_sink", "key STRING, total DOUBLE")
        query = self.session.start_stream_sql(
            "INSERT INTO v05_totals_sink SELECT key, SUM(value) AS total FROM v05_totals_input GROUP BY key",
            trigger_interval_ms=0,
        )
        self.assertIs(query.start(), query)
        self.assertEqual(query.await_termination(), 1)
        self.assertEqual({row["key"]: float(row["total"]) for row in rows_of(path)}, {"a": 3.0, "b": 5.0})

    def test_progress_and_snapshot_tell_the_same(self) -> None:
        self.stream("v05_progress_input", table(key=["a", "b"], value=[1, 2]))
        # The spelling of later versions, with a colon behind the key.
        self.sink("v05_progress_sink", "key STRING, value INT", "path: '{}', delimiter: ','")
        query = self.session.start_stream_sql(
            "INSERT INTO v05_progress_sink SELECT key, value FROM v05_progress_input", trigger_interval_ms=0
        )
        query.start()
        self.assertEqual(query.await_termination(), 1)
        progress = query.progress()
        self.assertEqual(progress["status"], "stopped")
        self.assertEqual(progress["execution_mode"], "single-process")
        self.assertEqual(progress["batches_processed"], 1)
        snapshot = json.loads(query.snapshot_json())
        for key in ("query_id", "status", "execution_mode", "transport_mode", "batches_processed", "last_source_offset"):
            self.assertEqual(snapshot[key], progress[key], key)

    def test_window_starts_are_text_of_seconds(self) -> None:
        times = ["2026-03-29T10:00:05", "2026-03-29T10:00:40", "2026-03-29T10:01:10"]
        self.stream("v05_window_input", table(ts=times, key=["a", "a", "a"], value=[1, 2, 4]))
        path = self.sink("v05_window_sink", "window_start STRING, key STRING, total DOUBLE")
        query = self.session.start_stream_sql(
            "INSERT INTO v05_window_sink SELECT window_start, key, SUM(value) AS total FROM v05_window_input "
            "WINDOW BY ts EVERY 60000 AS window_start GROUP BY window_start, key",
            trigger_interval_ms=0,
        )
        query.start()
        self.assertEqual(query.await_termination(), 1)
        totals = {row["window_start"]: float(row["total"]) for row in rows_of(path)}
        self.assertEqual(totals, {"2026-03-29T10:00:00": 3.0, "2026-03-29T10:01:00": 4.0})

    def test_having_may_name_an_alias(self) -> None:
        self.stream("v05_having_input", table(key=["a", "b", "a"], value=[10, 5, 10]))
        path = self.sink("v05_having_sink", "key STRING, total DOUBLE")
        query = self.session.start_stream_sql(
            "INSERT INTO v05_having_sink SELECT key, SUM(value) AS total FROM v05_having_input GROUP BY key HAVING total > 15",
            trigger_interval_ms=0,
        )
        query.start()
        self.assertEqual(query.await_termination(), 1)
        self.assertEqual([(row["key"], float(row["total"])) for row in rows_of(path)], [("a", 20.0)])

    def test_local_workers_take_the_hot_path(self) -> None:
        keys = ["k{}".format(number % 7) for number in range(1000)]
        self.stream("v05_workers_input", table(key=keys, value=list(range(1000))))
        path = self.sink("v05_workers_sink", "key STRING, total DOUBLE, rows INT")
        query = self.session.start_stream_sql(
            "INSERT INTO v05_workers_sink SELECT key, SUM(value) AS total, COUNT(*) AS rows FROM v05_workers_input GROUP BY key",
            trigger_interval_ms=0,
            execution_mode="local-workers",
            local_workers=4,
        )
        query.start()
        self.assertEqual(query.await_termination(), 1)
        progress = query.progress()
        self.assertEqual(progress["execution_mode"], "local-workers")
        self.assertTrue(progress["actor_eligible"])
        self.assertTrue(progress["used_actor_runtime"])
        self.assertIn(progress["transport_mode"], {"shared-memory", "rpc-copy"})
        written = {row["key"]: (float(row["total"]), int(row["rows"])) for row in rows_of(path)}
        expected = {"k{}".format(key): (float(sum(range(key, 1000, 7))), len(range(key, 1000, 7))) for key in range(7)}
        self.assertEqual(written, expected)

    def test_local_workers_without_workers_say_why_not(self) -> None:
        for workers in (0, 1):
            with self.subTest(local_workers=workers):
                name = "v05_alone_{}".format(workers)
                self.stream(name + "_input", table(key=["a", "b"], value=[1, 2]))
                self.sink(name + "_sink", "key STRING, total DOUBLE")
                query = self.session.start_stream_sql(
                    "INSERT INTO {0}_sink SELECT key, SUM(value) AS total FROM {0}_input GROUP BY key".format(name),
                    trigger_interval_ms=0,
                    execution_mode="local-workers",
                    local_workers=workers,
                )
                query.start()
                self.assertEqual(query.await_termination(), 1)
                progress = query.progress()
                self.assertFalse(progress["used_actor_runtime"])
                self.assertEqual(progress["transport_mode"], "inproc")
                self.assertIn("local_workers > 1", progress["execution_reason"])

    def test_explain_shows_three_sections_and_the_decision(self) -> None:
        self.stream("v05_explain_input", table(segment=["x"], bucket=["y"], value=[1]))
        self.sink("v05_explain_sink", "segment STRING, bucket STRING, total DOUBLE")
        sql = (
            "INSERT INTO v05_explain_sink SELECT segment, bucket, SUM(value) AS total FROM v05_explain_input "
            "GROUP BY segment, bucket"
        )
        options: Dict[str, Any] = {
            "checkpoint_delivery_mode": "best-effort",
            "execution_mode": "local-workers",
            "local_workers": 4,
        }
        said = self.session.explain_stream_sql(sql, **options)
        for part in (
            "logical\n",
            "physical\n",
            "strategy\n",
            "Aggregate keys=[segment, bucket]",
            "actor_eligible=true",
            "selected_mode=local-workers",
            "checkpoint_delivery_mode=best-effort",
        ):
            self.assertIn(part, said)
        said = self.session.explain_stream_sql(sql + " HAVING total > 1", **options)
        self.assertIn("actor_eligible=false", said)
        self.assertIn("reason=actor acceleration requires the aggregate hot path to be the final stream transform", said)


if __name__ == "__main__":
    unittest.main()

"""Tracked runs: a command in a child process with everything it leaves behind, and a stream query run once."""

import contextlib
import io
import json
import os
import tempfile
import unittest
from pathlib import Path
from typing import Any, Dict, Tuple
from unittest import mock

import pytest

pytest.importorskip("pyarrow")

import velaria_cli  # noqa: E402
from velaria import __version__  # noqa: E402
from velaria.workspace import ArtifactIndex, create_run, read_run  # noqa: E402


def command(*argv: str) -> Tuple[int, Dict[str, Any]]:
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        code = velaria_cli.main(list(argv))
    answer: Dict[str, Any] = json.loads(out.getvalue())
    return code, answer


class WorkspaceRunsTest(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        patched = mock.patch.dict(os.environ, {"VELARIA_HOME": str(self.folder / "home")})
        patched.start()
        self.addCleanup(patched.stop)

    def test_a_tracked_query_leaves_its_run_and_result(self) -> None:
        source = self.folder / "scores.csv"
        source.write_text("name,score\nalice,10\nbob,7\nalice,15\n", encoding="utf-8")
        query = "SELECT name, SUM(score) AS total FROM input_table GROUP BY name ORDER BY name"
        code, started = command(
            "run", "start", "--run-name", "scores", "--timeout-ms", "60000", "--", "csv-sql", "--csv", str(source), "--query", query
        )
        self.assertEqual(code, 0, started)
        self.assertTrue(started["ok"])
        self.assertEqual(started["status"], "succeeded")
        self.assertEqual(started["action"], "csv-sql")
        self.assertEqual(started["result"]["schema"], ["name", "total"])

        run_dir = Path(started["run_dir"])
        for name in ("run.json", "inputs.json", "explain.json", "progress.jsonl", "stdout.log", "stderr.log"):
            self.assertTrue((run_dir / name).is_file(), name)
        self.assertEqual(set(json.loads((run_dir / "explain.json").read_text())), {"logical", "physical", "strategy"})
        run = read_run(started["run_id"])
        self.assertEqual((run["status"], run["run_name"]), ("succeeded", "scores"))
        self.assertIsNotNone(run["finished_at"])
        self.assertEqual(run["velaria_version"], __version__)

        (artifact,) = started["artifacts"]
        self.assertEqual((artifact["type"], artifact["format"]), ("file", "parquet"))
        self.assertEqual(artifact["tags_json"], ["result", "csv-sql"])
        self.assertEqual(artifact["schema_json"], ["name", "total"])
        code, shown = command("run", "show", "--run-id", started["run_id"])
        self.assertEqual((code, shown["run"]["run_id"]), (0, started["run_id"]))
        self.assertEqual([found["artifact_id"] for found in shown["artifacts"]], [artifact["artifact_id"]])
        code, previewed = command("artifacts", "preview", "--artifact-id", artifact["artifact_id"])
        self.assertEqual(code, 0)
        self.assertEqual(previewed["preview"]["row_count"], 2)
        self.assertEqual([row["name"] for row in previewed["preview"]["rows"]], ["alice", "bob"])
        indexed = ArtifactIndex().get_run(started["run_id"])
        assert indexed is not None
        self.assertEqual(indexed["status"], "succeeded")

    def test_a_stream_query_runs_once(self) -> None:
        source = self.folder / "events"
        source.mkdir()
        (source / "part-1.csv").write_text("key,value\na,1\nb,5\na,2\n", encoding="utf-8")
        run_id, run_dir = create_run("stream-sql-once", {"source_csv_dir": str(source)}, __version__)
        done = velaria_cli._execute_stream_sql_once(
            source_csv_dir=source,
            source_table="input_stream",
            source_delimiter=",",
            sink_table="output_sink",
            sink_schema="key STRING, total DOUBLE",
            sink_path=Path(run_dir) / "artifacts" / "stream_result.csv",
            sink_delimiter=",",
            query="INSERT INTO output_sink SELECT key, SUM(value) AS total FROM input_stream GROUP BY key",
            trigger_interval_ms=0,
            checkpoint_delivery_mode="at-least-once",
            execution_mode="single-process",
            local_workers=1,
            max_inflight_partitions=0,
            max_batches=0,
            run_id=run_id,
        )
        self.assertIsInstance(done["payload"]["progress"], dict)
        self.assertEqual(done["payload"]["progress"]["execution_mode"], "single-process")
        self.assertEqual(done["payload"]["processed_batches"], 1)
        self.assertGreaterEqual(len(done["artifacts"]), 1)
        explained = json.loads((Path(run_dir) / "explain.json").read_text())
        for section in ("logical", "physical", "strategy"):
            self.assertTrue(explained[section], section)
        lines = (Path(run_dir) / "progress.jsonl").read_text().splitlines()
        self.assertGreaterEqual(len(lines), 2)
        self.assertEqual({json.loads(line)["query_id"] for line in lines}, {done["payload"]["progress"]["query_id"]})


if __name__ == "__main__":
    unittest.main()

"""The index of runs and artifacts: what goes in comes out, keys may be missing or new, and cleaning up."""

import os
import tempfile
import unittest
from pathlib import Path
from typing import Any, Dict
from unittest import mock

from velaria.workspace import ArtifactIndex, create_run, finalize_run, read_run


class ArtifactIndexTest(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.home = Path(folder.name) / "home"
        patched = mock.patch.dict(os.environ, {"VELARIA_HOME": str(self.home)})
        patched.start()
        self.addCleanup(patched.stop)

    def artifact(self, **changes: Any) -> Dict[str, Any]:
        return {
            "artifact_id": "artifact_0123456789abcdef",
            "run_id": "20260329T100000Z_0a1b2c3d",
            "created_at": "2026-03-29T10:00:01Z",
            "type": "file",
            "uri": "file:///nowhere/result.parquet",
            "format": "parquet",
            "row_count": 2,
            "schema_json": ["name", "total"],
            "preview_json": None,
            "tags_json": ["result", "csv-sql"],
            **changes,
        }

    def test_artifacts_are_found_again(self) -> None:
        index = ArtifactIndex()
        self.assertIn(index.backend, ("sqlite", "jsonl"))
        index.insert_artifact(self.artifact())
        index.insert_artifact(self.artifact(artifact_id="artifact_ffffffffffffffff", created_at="2026-03-29T10:00:02Z", tags_json=["explain"]))
        listed = index.list_artifacts(run_id="20260329T100000Z_0a1b2c3d")
        self.assertEqual([found["artifact_id"][-1] for found in listed], ["f", "f"])
        self.assertEqual(listed[0]["tags_json"], ["explain"], "newest first")
        self.assertEqual([found["artifact_id"] for found in index.list_artifacts(tag="result")], ["artifact_0123456789abcdef"])
        preview = {"schema": ["name"], "rows": [{"name": "陈"}], "row_count": 1, "truncated": False}
        index.update_artifact_preview("artifact_0123456789abcdef", preview)
        # A second index over the same home.
        found = ArtifactIndex().get_artifact("artifact_0123456789abcdef")
        assert found is not None
        self.assertEqual(found, self.artifact(preview_json=preview))
        self.assertIsNone(index.get_artifact("artifact_missing"))

    def test_runs_may_have_more_keys_or_fewer(self) -> None:
        index = ArtifactIndex()
        run: Dict[str, Any] = {
            "run_id": "20260329T100000Z_0a1b2c3d",
            "created_at": "2026-03-29T10:00:00Z",
            "action": "csv-sql",
            "cli_args": {"csv": "a.csv"},
            "run_dir": str(self.home / "runs" / "20260329T100000Z_0a1b2c3d"),
            "status": "running",
            "invented": {"by": "a later version"},
        }
        index.upsert_run(run)
        index.upsert_run({**run, "status": "succeeded", "finished_at": "2026-03-29T10:00:05Z", "velaria_version": "0.1.0"})
        found = index.get_run(run["run_id"])
        assert found is not None
        self.assertEqual((found["status"], found["finished_at"]), ("succeeded", "2026-03-29T10:00:05Z"))
        self.assertEqual((found["action"], found["cli_args"]), ("csv-sql", {"csv": "a.csv"}))
        self.assertIsNone(index.get_run("missing"))

    def test_cleaning_up_takes_every_finished_run(self) -> None:
        index = ArtifactIndex()
        kept = []
        for status in ("succeeded", "failed", "running"):
            run_id, run_dir = create_run("csv-sql", {"csv": "a.csv"}, "0.1.0")
            if status != "running":
                finalize_run(run_id, status)
            index.upsert_run(read_run(run_id))
            index.insert_artifact(self.artifact(artifact_id="artifact_" + status, run_id=run_id))
            kept.append((run_id, Path(run_dir)))
        cleaned = index.cleanup_runs(keep_last_n=0, delete_files=True)
        self.assertEqual(set(cleaned["deleted_run_ids"]), {run_id for run_id, _ in kept[:2]})
        self.assertEqual([path.exists() for _, path in kept], [False, False, True])
        self.assertEqual([index.get_run(run_id) is None for run_id, _ in kept], [True, True, False])
        self.assertEqual([found["artifact_id"] for found in index.list_artifacts()], ["artifact_running"])


if __name__ == "__main__":
    unittest.main()

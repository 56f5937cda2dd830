"""The command line from Python: errors are JSON on stdout, previews obey their limit, and vector search asks the session."""

import contextlib
import io
import json
import os
import tempfile
import unittest
from pathlib import Path
from typing import Any, Dict
from unittest import mock

import velaria_cli
from velaria.workspace import ArtifactIndex, create_run, read_run


class PythonCliContractTest(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        patched = mock.patch.dict(os.environ, {"VELARIA_HOME": str(self.folder / "home")})
        patched.start()
        self.addCleanup(patched.stop)

    def command(self, *argv: str, code: int = 0) -> Dict[str, Any]:
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            self.assertEqual(velaria_cli.main(list(argv)), code, out.getvalue())
        self.assertEqual(err.getvalue(), "")
        answer: Dict[str, Any] = json.loads(out.getvalue())
        return answer

    def test_errors_are_json_on_stdout(self) -> None:
        for argv, message in (
            (("run", "start", "--"), "run start requires an action"),
            (("run", "show", "--run-id", "missing-run"), "run not found: missing-run"),
            (("artifacts", "preview", "--artifact-id", "missing-artifact"), "artifact not found: missing-artifact"),
        ):
            with self.subTest(argv=argv):
                answer = self.command(*argv, code=1)
                self.assertIs(answer["ok"], False)
                self.assertIn(message, answer["error"])

    def test_a_preview_has_as_many_rows_as_asked_for(self) -> None:
        run_id, run_dir = create_run("csv-sql", {}, "0.1.0")
        index = ArtifactIndex()
        index.upsert_run(read_run(run_id))
        result = Path(run_dir) / "artifacts" / "result.csv"
        result.parent.mkdir(exist_ok=True)
        result.write_text("id,name\n1,a\n2,b\n3,c\n", encoding="utf-8")
        index.insert_artifact(
            {
                "artifact_id": "artifact_00000000000000aa",
                "run_id": run_id,
                "created_at": "2026-03-29T10:00:00Z",
                "type": "file",
                "uri": result.as_uri(),
                "format": "csv",
                "row_count": 3,
                "schema_json": ["id", "name"],
                "preview_json": None,
                "tags_json": ["result"],
            }
        )
        answer = self.command("artifacts", "preview", "--artifact-id", "artifact_00000000000000aa", "--limit", "2")
        self.assertIs(answer["ok"], True)
        self.assertEqual(answer["preview"]["row_count"], 3)
        self.assertIs(answer["preview"]["truncated"], True)
        self.assertEqual([row["name"] for row in answer["preview"]["rows"]], ["a", "b"])

    def test_vector_search_asks_the_session_by_keywords(self) -> None:
        path = self.folder / "vectors.csv"
        path.write_text("id,embedding\n1,[1 0 0]\n2,[0 1 0]\n", encoding="utf-8")
        arguments = {
            "table": "input_table",
            "vector_column": "embedding",
            "query_vector": [1.0, 0.0, 0.0],
            "top_k": 2,
            "metric": "cosine",
        }
        session = mock.MagicMock()
        answered = session.vector_search.return_value.to_arrow.return_value
        answered.schema.names = ["row_id", "score"]
        answered.to_pylist.return_value = [{"row_id": 0, "score": 0.0}]
        session.explain_vector_search.return_value = "mode=exact-scan\n"
        with mock.patch.object(velaria_cli, "Session", return_value=session):
            velaria_cli._run_vector_search(
                csv_path=path, vector_column="embedding", query_vector="1.0,0.0,0.0", metric="cosine", top_k=2
            )
        session.read_csv.assert_called_once_with(str(path))
        session.create_temp_view.assert_called_once()
        session.vector_search.assert_called_once_with(**arguments)
        session.explain_vector_search.assert_called_once_with(**arguments)


if __name__ == "__main__":
    unittest.main()

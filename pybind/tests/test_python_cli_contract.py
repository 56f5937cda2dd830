"""What programs that import ``velaria_cli`` rely on."""

import contextlib
import importlib
import io
import json
from pathlib import Path
from typing import Any, Dict, Tuple
from unittest import mock

import pytest

from support import ROOT, need


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "home"
    monkeypatch.setenv("VELARIA_HOME", str(path))
    return path


@pytest.fixture
def velaria_cli(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The module, which lies beside the package here and in the wheel."""
    monkeypatch.syspath_prepend(str(ROOT / "pybind"))
    return importlib.import_module("velaria_cli")


def call(velaria_cli: Any, *argv: str) -> Tuple[int, Dict[str, Any]]:
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = velaria_cli.main(list(argv))
    assert err.getvalue() == ""
    document: Dict[str, Any] = json.loads(out.getvalue())
    return code, document


@pytest.mark.parametrize(
    ("argv", "error"),
    [
        (["run", "start"], "run start requires an action after '--'"),
        (["run", "start", "--"], "run start requires an action after '--'"),
        (["run", "start", "--", "nosuch"], "unsupported run action: nosuch"),
        (["run", "show", "--run-id", "missing-run"], "run not found: missing-run"),
        (["run", "status", "--run-id", "missing-run"], "run not found: missing-run"),
        (["run", "result", "--run-id", "../../../etc"], "run not found: ../../../etc"),
        (["artifacts", "preview", "--artifact-id", "missing-artifact"], "artifact not found: missing-artifact"),
    ],
)
def test_what_is_not_there_is_a_value_error(velaria_cli: Any, home: Path, argv: Any, error: str) -> None:
    code, document = call(velaria_cli, *argv)
    assert (code, document["ok"], document["error"], document["error_type"]) == (1, False, error, "value_error")
    assert not list((home / "runs").glob("*"))


def test_a_wrong_argument_of_an_action_is_a_usage_error(velaria_cli: Any, home: Path) -> None:
    code, document = call(velaria_cli, "run", "start", "--", "csv-sql", "--csv", "a.csv")
    assert (code, document["error_type"]) == (1, "usage_error")
    assert document["error"] == "the following arguments are required: --query"
    assert not (home / "runs").exists()


@pytest.mark.parametrize("argv", [["--help"], ["run", "start", "--help"], ["run", "start", "--", "csv-sql", "--help"]])
def test_help_ends_the_program(velaria_cli: Any, argv: Any) -> None:
    out = io.StringIO()
    with contextlib.redirect_stdout(out), pytest.raises(SystemExit) as ended:
        velaria_cli.main(argv)
    assert ended.value.code == 0
    assert out.getvalue().count("Usage: velaria-cli") == 1


def test_preview_reads_the_file_of_an_artifact(velaria_cli: Any) -> None:
    from velaria.workspace import ArtifactIndex, create_run

    run_id, run_dir = create_run("csv-sql", {}, "0.1.0")
    path = Path(run_dir) / "artifacts" / "result.csv"
    path.write_text("id,name\n1,a\n2,b\n3,c\n")
    ArtifactIndex().insert_artifact(
        {
            "artifact_id": "artifact_preview", "run_id": run_id, "created_at": "2026-11-21T07:48:03Z", "type": "file",
            "uri": path.as_uri(), "format": "csv", "row_count": 3, "schema_json": ["id", "name"], "preview_json": None, "tags_json": ["result"],
        }
    )
    code, document = call(velaria_cli, "artifacts", "preview", "--artifact-id", "artifact_preview", "--limit", "2")
    assert code == 0, document
    assert document["preview"] == {
        "schema": ["id", "name"], "rows": [{"id": "1", "name": "a"}, {"id": "2", "name": "b"}], "row_count": 3, "truncated": True,
    }
    # What was read is kept whole, so that a later call can show more.
    _, document = call(velaria_cli, "artifacts", "preview", "--artifact-id", "artifact_preview")
    assert (len(document["preview"]["rows"]), document["preview"]["truncated"]) == (3, False)


@pytest.mark.parametrize("vector", ["1.0,0.0,0.0", "[1 0 0]", [1, 0, 0]])
def test_vector_search_calls_the_session_as_it_always_did(velaria_cli: Any, vector: Any) -> None:
    with mock.patch.object(velaria_cli, "Session") as session_type:
        session = session_type.return_value
        rows = session.vector_search.return_value.to_arrow.return_value
        rows.schema.names = ["row_id", "score"]
        rows.to_pylist.return_value = [{"row_id": 0, "score": 0.0}]
        session.explain_vector_search.return_value = "mode=exact-scan\n"
        payload = velaria_cli._run_vector_search(
            csv_path=Path("v.csv"), vector_column="embedding", query_vector=vector, metric="cosine", top_k=2
        )
    session.read_csv.assert_called_once_with("v.csv")
    session.create_temp_view.assert_called_once()
    search = {"table": "input_table", "vector_column": "embedding", "query_vector": [1.0, 0.0, 0.0], "top_k": 2, "metric": "cosine"}
    session.vector_search.assert_called_once_with(**search)
    session.explain_vector_search.assert_called_once_with(**search)
    assert payload == {
        "metric": "cosine", "top_k": 2, "schema": ["row_id", "score"], "rows": [{"row_id": 0, "score": 0.0}], "explain": "mode=exact-scan\n",
    }


def test_vector_search_is_that_of_the_command_line(velaria_cli: Any, tmp_path: Path) -> None:
    need("pyarrow")
    path = tmp_path / "v.csv"
    path.write_text("id,embedding\n1,[1 0 0]\n2,[0.9 0.1 0]\n3,[0 1 0]\n")
    argv = ["--csv", str(path), "--vector-column", "embedding", "--query-vector", "1,0,0", "--metric", "cosin", "--top-k", "2"]
    _, document = call(velaria_cli, "vector-search", *argv)
    assert document == velaria_cli._run_vector_search(
        csv_path=path, vector_column="embedding", query_vector="1,0,0", metric="cosin", top_k=2
    )

"""``velaria.workspace.ArtifactIndex``: rows, lists, deletion, and the fallback."""

import json
import pathlib
import sqlite3
import subprocess
import sys
from typing import Any, Dict, Iterator, List

import pytest

from velaria import errors, workspace
from velaria.workspace.artifact_index import SQLITE_SCHEMA, ArtifactIndex, RunDeleteConflictError
from velaria.workspace.types import PREVIEW_LIMIT_BYTES, PREVIEW_LIMIT_ROWS, ArtifactRecord, RunRecord


@pytest.fixture(autouse=True)
def home(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    """An empty home that the environment names."""
    path = tmp_path.resolve() / "home"
    monkeypatch.setenv("VELARIA_HOME", str(path))
    return path


@pytest.fixture(params=["sqlite", "jsonl"])
def index(request: pytest.FixtureRequest, home: pathlib.Path) -> Iterator[ArtifactIndex]:
    """An index of either backend."""
    if request.param == "jsonl":
        # Where a directory stands, SQLite can open no file.
        (home / "index" / "artifacts.sqlite").mkdir(parents=True)
    opened = ArtifactIndex()
    assert opened.backend == request.param
    yield opened


def run(run_id: str, created_at: str = "2026-03-29T00:00:00Z", status: str = "succeeded", **more: Any) -> Dict[str, Any]:
    record = RunRecord(run_id, created_at, "csv-sql", {"csv": "x"}, "0.1.0", "/elsewhere/" + run_id, status).to_dict()
    return {**record, **more}


def artifact(artifact_id: str, run_id: str, **more: Any) -> Dict[str, Any]:
    record = ArtifactRecord(artifact_id, run_id, "2026-03-29T00:00:01Z", "file", "file:///a.csv", "csv", 3, ["x"])
    return {**record.to_dict(), **more}


def ids(rows: List[Dict[str, Any]], key: str = "run_id") -> List[str]:
    return [row[key] for row in rows]


def test_paths(index: ArtifactIndex, home: pathlib.Path) -> None:
    assert index.sqlite_path == home / "index" / "artifacts.sqlite"
    assert index.fallback_path == home / "index" / "artifacts.jsonl"
    assert (index.fallback_reason is None) == (index.backend == "sqlite")
    assert (PREVIEW_LIMIT_ROWS, PREVIEW_LIMIT_BYTES) == (50, 200 * 1024)


def test_a_run_reads_back(index: ArtifactIndex) -> None:
    index.upsert_run({**run("a"), "unknown": object()})
    assert index.get_run("a") == {
        "run_id": "a",
        "created_at": "2026-03-29T00:00:00Z",
        "finished_at": None,
        "status": "succeeded",
        "action": "csv-sql",
        "cli_args": {"csv": "x"},
        "velaria_version": "0.1.0",
        "run_dir": "/elsewhere/a",
    }
    index.upsert_run({"run_id": "a", "status": "failed"})
    row = index.get_run("a")
    assert row is not None and (row["status"], row["action"], row["velaria_version"]) == ("failed", "csv-sql", None)
    assert index.get_run("b") is None


def test_an_artifact_reads_back(index: ArtifactIndex) -> None:
    preview = {"schema": ["x"], "rows": [{"x": "北"}], "row_count": 3, "truncated": True}
    index.insert_artifact(artifact("artifact_1", "a", tags_json=["result"]))
    index.update_artifact_preview("artifact_1", preview)
    row = index.get_artifact("artifact_1")
    assert row == artifact("artifact_1", "a", tags_json=["result"], preview_json=preview)
    assert list(row) == [
        "artifact_id", "run_id", "created_at", "type", "uri", "format", "row_count", "schema_json", "preview_json", "tags_json",
    ]  # fmt: skip
    assert index.get_artifact("artifact_2") is None
    with pytest.raises(FileNotFoundError, match="artifact not found: artifact_2"):
        index.update_artifact_preview("artifact_2", preview)


@pytest.mark.parametrize("value", ["text", ["a", 1, None], {"a": [1]}, 7, False])
def test_what_others_store_reads_back(index: ArtifactIndex, value: Any) -> None:
    index.upsert_run(run("a", cli_args=value, details=value, tags=value))
    row = index.list_runs()[0]
    assert (row["cli_args"], row["details"], row["tags"]) == (value, value, value)
    index.insert_artifact(artifact("artifact_1", "a", tags_json=value, schema_json=value, preview_json=value))
    stored = index.get_artifact("artifact_1")
    assert stored is not None
    assert (stored["tags_json"], stored["schema_json"], stored["preview_json"]) == (value, value, value)
    assert index.list_artifacts(tag="other") == index.list_runs(tag="other") == []


def test_an_index_of_events_follows_them_into_sqlite(home: pathlib.Path) -> None:
    blocked = home / "index" / "artifacts.sqlite"
    blocked.mkdir(parents=True)
    long_lived = ArtifactIndex()
    long_lived.insert_artifact(artifact("artifact_1", "a"))
    blocked.rmdir()
    assert ArtifactIndex().backend == "sqlite" and not long_lived.fallback_path.exists()
    assert long_lived.get_artifact("artifact_1") is not None
    long_lived.upsert_run(run("a"))
    assert ids(ArtifactIndex().list_runs()) == ["a"]


def test_lists_filter_before_they_cut(index: ArtifactIndex) -> None:
    index.insert_artifact(artifact("artifact_first", "a", tags_json=["rare"]))
    for number in range(60):
        index.insert_artifact(artifact("artifact_{}".format(number), "b", tags_json=["common"]))
    assert ids(index.list_artifacts(tag="rare"), "artifact_id") == ["artifact_first"]
    assert len(index.list_artifacts()) == 50 and len(index.list_artifacts(limit=3)) == 3
    assert ids(index.list_artifacts(run_id="a"), "artifact_id") == ["artifact_first"]
    assert index.list_artifacts(since="2027") == []
    index.upsert_run(run("a", "2026-03-29T00:00:00Z", tags=["daily"], run_name="Über", finished_at="2026-03-29T00:00:02Z"))
    index.upsert_run(run("b", "2026-03-30T00:00:00Z", "failed", error="No Column"))
    assert ids(index.list_runs()) == ["b", "a"]
    assert ids(index.list_runs(1, tag="daily")) == ids(index.list_runs(query="über")) == ids(index.list_runs(status="succeeded")) == ["a"]
    assert ids(index.list_runs(query="no col")) == ["b"]
    row = index.list_runs(tag="daily")[0]
    assert (row["artifact_count"], row["duration_ms"], row["tags"]) == (1, 2000, ["daily"])


def test_cleanup_deletes_runs_that_have_ended(index: ArtifactIndex) -> None:
    index.upsert_run(run("old", "2026-01-01T00:00:00Z"))
    index.upsert_run(run("new", "2026-01-02T00:00:00Z", "failed"))
    index.upsert_run(run("running", "2026-01-03T00:00:00Z", "running"))
    index.insert_artifact(artifact("artifact_1", "old"))
    nothing = {"deleted_run_ids": [], "deleted_run_dirs": [], "backend": index.backend}
    assert index.cleanup_runs() == nothing
    assert index.cleanup_runs(keep_last_n=3) == nothing
    assert index.cleanup_runs(keep_last_n=2)["deleted_run_ids"] == ["old"]
    assert index.list_artifacts() == []
    assert index.cleanup_runs(keep_last_n=0) == {"deleted_run_ids": ["new"], "deleted_run_dirs": [], "backend": index.backend}
    assert ids(index.list_runs()) == ["running"]


def test_cleanup_deletes_directories_of_the_home_alone(index: ArtifactIndex, tmp_path: pathlib.Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    run_id, run_dir = workspace.create_run("csv-sql", {}, "0.1.0")
    index.upsert_run(workspace.finalize_run(run_id, "timed_out"))
    index.upsert_run(run("../outside", run_dir=str(outside)))
    index.upsert_run(run("elsewhere", run_dir=str(outside)))
    report = index.cleanup_runs(ttl_days=0, keep_last_n=0, delete_files=True)
    assert sorted(report["deleted_run_ids"]) == sorted([run_id, "../outside", "elsewhere"])
    assert report["deleted_run_dirs"] == [str(run_dir)]
    assert outside.is_dir() and not run_dir.exists()


def test_one_run_is_deleted(index: ArtifactIndex) -> None:
    index.upsert_run(run("ended"))
    index.upsert_run(run("running", status="running"))
    with pytest.raises(RunDeleteConflictError) as raised:
        index.delete_run("running")
    assert isinstance(raised.value, RuntimeError) and raised.value.code == "VEL-6203"
    with pytest.raises(FileNotFoundError, match="run not found: missing"):
        index.delete_run("missing")
    assert index.delete_run("ended", delete_files=True) == {"run_id": "ended", "deleted_run_dir": None}
    assert ids(index.list_runs()) == ["running"]


def test_wrong_arguments_are_typed_errors(index: ArtifactIndex) -> None:
    for arguments in ({"keep_last_n": -1}, {"ttl_days": -1}, {"ttl_days": float("nan")}):
        with pytest.raises(ValueError) as raised:
            index.cleanup_runs(**arguments)
        assert isinstance(raised.value, errors.UsageError)
    for call in (index.list_runs, index.list_artifacts):
        with pytest.raises(errors.UsageError, match="cannot be -1"):
            call(limit=-1)
    with pytest.raises(errors.UsageError, match="run_id is missing"):
        index.upsert_run({"status": "failed"})
    with pytest.raises(errors.UsageError, match="uri is missing"):
        index.insert_artifact({"artifact_id": "a", "run_id": "b"})
    with pytest.raises(TypeError):
        index.list_runs(limit="3")  # type: ignore[arg-type]


def test_a_closed_index_says_so(index: ArtifactIndex) -> None:
    index.close()
    index.close()
    with pytest.raises(errors.UsageError) as raised:
        index.list_runs()
    assert raised.value.code == "VEL-7002"


def test_the_tables_are_those_of_the_contract(home: pathlib.Path) -> None:
    index = ArtifactIndex()
    index.upsert_run(run("a", tags=["北"]))
    with sqlite3.connect(str(index.sqlite_path)) as connection:
        columns = [row[1] for row in connection.execute("PRAGMA table_info(runs)")]
        values = connection.execute("SELECT args_json, tags_json FROM runs").fetchall()
        names = {row[0] for row in connection.execute("SELECT name FROM sqlite_master")}
    connection.close()
    assert columns[:8] == ["run_id", "created_at", "finished_at", "status", "action", "args_json", "velaria_version", "run_dir"]
    assert values == [('{"csv":"x"}', '["北"]')]
    assert {"runs", "artifacts", "idx_artifacts_run_id", "idx_runs_created_at"} <= names
    sqlite3.connect(":memory:").executescript(SQLITE_SCHEMA)


def test_an_index_of_the_first_version_gets_its_columns(home: pathlib.Path) -> None:
    workspace.ensure_dirs()
    connection = sqlite3.connect(str(home / "index" / "artifacts.sqlite"))
    connection.executescript(
        """
        CREATE TABLE runs (run_id TEXT PRIMARY KEY, created_at TEXT NOT NULL, finished_at TEXT, status TEXT NOT NULL,
            action TEXT NOT NULL, args_json TEXT NOT NULL, velaria_version TEXT, run_dir TEXT NOT NULL);
        INSERT INTO runs VALUES ('old', '2026-01-01T00:00:00Z', NULL, 'failed', 'csv-sql', '{"a":1}', '0.1.0', '/x');
        """
    )
    connection.close()
    index = ArtifactIndex()
    index.upsert_run(run("new", tags=["t"]))
    assert ids(index.list_runs()) == ["new", "old"] and ids(index.list_runs(tag="t")) == ["new"]


def test_what_the_fallback_holds_goes_into_sqlite(home: pathlib.Path) -> None:
    blocked = home / "index" / "artifacts.sqlite"
    blocked.mkdir(parents=True)
    index = ArtifactIndex()
    index.upsert_run(run("a"))
    index.insert_artifact(artifact("artifact_1", "a"))
    kinds = [json.loads(line)["kind"] for line in index.fallback_path.read_text().splitlines()]
    assert kinds == ["run_upsert", "artifact_upsert"]
    blocked.rmdir()
    index = ArtifactIndex()
    assert (index.backend, index.fallback_path.exists()) == ("sqlite", False)
    assert (ids(index.list_runs()), ids(index.list_artifacts())) == (["a"], ["a"])


def test_a_locked_index_is_an_error_and_not_a_second_index(home: pathlib.Path) -> None:
    index = ArtifactIndex()
    # Through a process of its own: two SQLite libraries in one process would not see each other's locks.
    code = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute('BEGIN IMMEDIATE'); print(flush=True); sys.stdin.read()"
    holder = subprocess.Popen([sys.executable, "-c", code, str(index.sqlite_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert holder.stdout is not None and holder.stdin is not None
    holder.stdout.readline()
    with pytest.raises(errors.IoError) as raised:
        index.upsert_run(run("a"))
    assert raised.value.code == "VEL-6204"
    assert not index.fallback_path.exists() and index.list_runs() == []
    holder.stdin.close()
    holder.wait()
    holder.stdout.close()
    index.upsert_run(run("a"))
    assert ids(index.list_runs()) == ["a"]


def test_a_rebuilt_index_has_what_the_directories_say(home: pathlib.Path) -> None:
    run_id, run_dir = workspace.create_run("csv-sql", {}, "0.1.0", tags=["daily"])
    index = ArtifactIndex()
    index.insert_artifact(artifact("artifact_1", run_id))
    index.sqlite_path.write_bytes(b"no index" * 1000)
    report = ArtifactIndex.rebuild()
    assert (report["runs"], report["artifacts"], report["skipped"]) == (1, 1, [])
    assert pathlib.Path(report["set_aside"]).read_bytes() == b"no index" * 1000
    assert ids(ArtifactIndex().list_runs(tag="daily")) == ids(ArtifactIndex().list_artifacts()) == [run_id]

"""Tracked runs through Python: the action in a process of its own, and what is left behind."""

import contextlib
import importlib
import io
import json
import os
import re
import sys
import threading
import time
from pathlib import Path
from typing import Any, Dict, List, Tuple
from unittest import mock

import pytest

from support import ROOT, need, run
from velaria.__main__ import main


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "home"
    monkeypatch.setenv("VELARIA_HOME", str(path))
    return path


@pytest.fixture
def velaria_cli(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The module beside the package."""
    monkeypatch.syspath_prepend(str(ROOT / "pybind"))
    return importlib.import_module("velaria_cli")


def call(*argv: str) -> Tuple[int, Dict[str, Any]]:
    """Exit code and document; nothing may be on standard error."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(list(argv))
    assert err.getvalue() == ""
    document: Dict[str, Any] = json.loads(out.getvalue())
    return code, document


@pytest.fixture
def scores(tmp_path: Path) -> str:
    path = tmp_path / "scores.csv"
    path.write_text("name,score\nalice,10\nbob,22.5\ncarol,31\n", encoding="utf-8")
    return str(path)


QUERY = "SELECT name, score FROM input_table WHERE score > 20"
ENDLESS = "SELECT COUNT(*) AS n FROM range(1000000000000000) AS t(v) WHERE v % 7 = 9"


def test_csv_sql_leaves_a_run_with_its_inputs_result_and_explanation(home: Path, scores: str) -> None:
    code, document = call("run", "start", "--run-name", "rich", "--", "csv-sql", "--csv", scores, "--query", QUERY)
    assert code == 0, document
    assert list(document) == ["ok", "run_id", "run_dir", "status", "action", "result", "artifacts"]
    assert (document["ok"], document["status"], document["action"]) == (True, "succeeded", "csv-sql")
    assert document["result"] == {
        "table": "input_table",
        "query": QUERY,
        "schema": ["name", "score"],
        "rows": [{"name": "bob", "score": 22.5}, {"name": "carol", "score": 31.0}],
    }
    (artifact,) = document["artifacts"]
    assert list(artifact) == [
        "type", "uri", "format", "row_count", "schema_json", "preview_json", "tags_json", "artifact_id", "run_id", "created_at",
    ]
    assert artifact["tags_json"] == ["result", "csv-sql"]
    assert artifact["preview_json"]["rows"] == document["result"]["rows"]
    run_dir = Path(document["run_dir"])
    assert run_dir == home.resolve() / "runs" / document["run_id"]
    assert re.fullmatch(r"[0-9]{8}T[0-9]{6}Z_[0-9a-f]{8}", document["run_id"])
    record = json.loads((run_dir / "run.json").read_text(encoding="utf-8"))
    assert list(record) == [
        "run_id", "created_at", "action", "cli_args", "velaria_version", "run_dir", "status", "finished_at", "run_name", "error", "details",
    ]
    assert record["cli_args"] == {"csv": scores, "table": "input_table", "query": QUERY, "output_path": None}
    assert record["run_name"] == "rich"
    explain = json.loads((run_dir / "explain.json").read_text(encoding="utf-8"))
    assert list(explain) == ["logical", "physical", "strategy"]
    assert explain["physical"].splitlines()[:3] == ["local-batch", "result_sink=" + artifact["uri"], "materialization=pyarrow-table"]
    assert explain["strategy"].splitlines()[:3] == [
        "selected_mode=single-process",
        "transport_mode=inproc",
        "execution_reason=batch query executed through DataflowSession",
    ]
    assert (run_dir / "progress.jsonl").read_text() == (run_dir / "stdout.log").read_text() == ""


def test_result_is_a_parquet_file(home: Path, scores: str) -> None:
    parquet = need("pyarrow.parquet")
    _, document = call("run", "start", "--", "csv-sql", "--csv", scores, "--query", QUERY)
    table = parquet.read_table(Path(document["run_dir"]) / "artifacts" / "result.parquet")
    assert table.to_pylist() == document["result"]["rows"]


@pytest.mark.parametrize(("name", "format"), [("out/r.csv", "csv"), ("r.pq", "parquet"), ("r.arrow", "arrow"), ("r.feather", "arrow")])
def test_result_goes_where_it_is_told(home: Path, scores: str, tmp_path: Path, name: str, format: str) -> None:
    path = tmp_path / name
    _, document = call("run", "start", "--", "csv-sql", "--csv", scores, "--query", QUERY, "--output-path", str(path))
    (artifact,) = document["artifacts"]
    assert (artifact["format"], artifact["uri"]) == (format, path.as_uri())
    if format == "arrow":
        feather = need("pyarrow.feather")
        assert feather.read_table(path).num_rows == 2
    # The first rows are read from the file again where they are not kept.
    index = home / "index" / "artifacts.sqlite"
    sqlite3 = importlib.import_module("sqlite3")
    with contextlib.closing(sqlite3.connect(str(index))) as connection, connection:
        connection.execute("UPDATE artifacts SET preview_json = NULL")
    _, answer = call("artifacts", "preview", "--artifact-id", artifact["artifact_id"], "--limit", "1")
    assert [row["name"] for row in answer["preview"]["rows"]] == ["bob"]
    assert (answer["preview"]["row_count"], answer["preview"]["truncated"]) == (2, True)


def test_a_file_that_no_run_was_told_to_write_is_not_shown(home: Path, scores: str, tmp_path: Path) -> None:
    _, document = call("run", "start", "--", "csv-sql", "--csv", scores, "--query", QUERY)
    secret = tmp_path / "secret.csv"
    secret.write_text("a\n1\n")
    sqlite3 = importlib.import_module("sqlite3")
    with contextlib.closing(sqlite3.connect(str(home / "index" / "artifacts.sqlite"))) as connection, connection:
        connection.execute("UPDATE artifacts SET preview_json = NULL, format = 'csv', uri = ?", (secret.as_uri(),))
    code, answer = call("artifacts", "preview", "--artifact-id", document["artifacts"][0]["artifact_id"])
    assert (code, answer["code"]) == (1, "VEL-6004")


def test_vector_search_keeps_its_explanation(home: Path, tmp_path: Path) -> None:
    path = tmp_path / "v.csv"
    path.write_text("id,embedding\n1,[1 0 0]\n2,[0.9 0.1 0]\n3,[0 1 0]\n")
    code, document = call(
        "run", "start", "--", "vector-search", "--csv", str(path), "--vector-column", "embedding", "--query-vector", "1,0,0", "--top-k", "2"
    )
    assert code == 0, document
    result, explain = document["artifacts"]
    assert result["tags_json"] == ["result", "vector-search"]
    assert (explain["format"], explain["tags_json"]) == ("text", ["explain", "vector-search"])
    _, shown = call("run", "show", "--run-id", document["run_id"])
    assert shown["run"]["details"] == {"explain_artifact_id": explain["artifact_id"], "explain_artifact_uri": explain["uri"]}
    assert not (Path(document["run_dir"]) / "explain.json").exists()
    code, answer = call("artifacts", "preview", "--artifact-id", explain["artifact_id"])
    assert (code, answer["error"], answer["error_type"]) == (1, "preview unsupported for format: text", "value_error")


def stream_files(folder: Path) -> Path:
    folder.mkdir()
    (folder / "part-000.csv").write_text("key,value\nu1,1\nu2,4\nu1,2\n")
    (folder / "part-001.csv").write_text("key,value\nu1,10\nu3,7\n")
    return folder


INSERT = "INSERT INTO output_sink SELECT key, SUM(value) AS value_sum FROM input_stream GROUP BY key"


def test_stream_sql_once_ends_after_its_batches(home: Path, tmp_path: Path) -> None:
    source = stream_files(tmp_path / "source")
    code, document = call(
        "run", "start", "--", "stream-sql-once", "--source-csv-dir", str(source), "--sink-schema", "key STRING, value_sum INT",
        "--query", INSERT, "--max-batches", "2",
    )
    assert code == 0, document
    result = document["result"]
    assert list(result) == ["processed_batches", "schema", "rows", "progress"]
    assert (result["processed_batches"], result["schema"]) == (2, ["key", "value_sum"])
    assert result["rows"] == [
        {"key": "u1", "value_sum": 3}, {"key": "u2", "value_sum": 4}, {"key": "u1", "value_sum": 13}, {"key": "u3", "value_sum": 7},
    ]
    assert (result["progress"]["status"], result["progress"]["batches_processed"]) == ("stopped", 2)
    run_dir = Path(document["run_dir"])
    assert len((run_dir / "progress.jsonl").read_text().splitlines()) == 2
    _, status = call("run", "status", "--run-id", document["run_id"])
    assert status["latest_progress"]["batches_processed"] == 2


def test_text_that_looks_like_a_number_stays_text(home: Path, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "a.csv").write_text('key,value\n"007",1\n')
    _, document = call(
        "run", "start", "--", "stream-sql-once", "--source-csv-dir", str(source), "--sink-schema", "key STRING, n INT",
        "--query", "INSERT INTO output_sink SELECT '007' AS key, COUNT(*) AS n FROM input_stream GROUP BY key",
    )
    assert document.get("result", document)["rows"] == [{"key": "007", "n": 1}]


def test_the_shim_does_a_stream_in_a_run_that_exists(home: Path, tmp_path: Path, velaria_cli: Any) -> None:
    from velaria.workspace import ArtifactIndex, create_run, finalize_run, read_run

    source = stream_files(tmp_path / "source")
    run_id, run_dir = create_run("stream-sql-once", {"query": INSERT}, "0.1.0", run_name="direct")
    done = velaria_cli._execute_stream_sql_once(
        source_csv_dir=source, source_table="input_stream", source_delimiter=",", sink_table="output_sink",
        sink_schema="key STRING, value_sum INT", sink_path=None, sink_delimiter=",", query=INSERT, trigger_interval_ms=0,
        checkpoint_delivery_mode="at-least-once", execution_mode="single-process", local_workers=1, max_inflight_partitions=0,
        max_batches=0, run_id=run_id,
    )
    assert isinstance(done["payload"]["progress"], dict)
    # Nought batches are one.
    assert done["payload"]["processed_batches"] == 1
    (artifact,) = done["artifacts"]
    assert list(artifact) == ["type", "uri", "format", "row_count", "schema_json", "preview_json", "tags_json"]
    assert len((Path(run_dir) / "progress.jsonl").read_text().splitlines()) >= 2
    assert set(json.loads((Path(run_dir) / "explain.json").read_text())) == {"logical", "physical", "strategy"}
    finalize_run(run_id, "succeeded")
    index = ArtifactIndex()
    index.upsert_run(read_run(run_id))
    index.insert_artifact({**artifact, "artifact_id": "artifact_1", "run_id": run_id, "created_at": "2026-11-21T07:48:03Z"})
    _, answer = call("run", "result", "--run-id", run_id)
    assert answer["artifact_id"] == "artifact_1"


def test_failure_is_kept_with_why(home: Path, tmp_path: Path) -> None:
    missing = str(tmp_path / "missing.csv")
    code, document = call("run", "start", "--", "csv-sql", "--csv", missing, "--query", "SELECT 1")
    assert code == 1
    assert list(document)[:5] == ["ok", "run_id", "run_dir", "status", "error"]
    assert (document["ok"], document["status"], document["error"]) == (False, "failed", "cannot stat source file: " + missing)
    _, shown = call("run", "show", "--run-id", document["run_id"])
    assert (shown["run"]["status"], shown["run"]["error"]) == ("failed", document["error"])
    assert document["error"] in (Path(document["run_dir"]) / "stderr.log").read_text()


def test_a_stream_waits_for_the_first_file(home: Path, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    action = ["stream-sql-once", "--source-csv-dir", str(folder), "--sink-schema", "k STRING", "--query"]
    statement = "INSERT INTO output_sink SELECT k FROM input_stream"
    code, document = call("run", "start", "--timeout-ms", "1500", "--", *action, statement)
    assert (code, document["status"]) == (1, "timed_out")
    later = tmp_path / "k.csv"
    later.write_text("k\na\n")
    timer = threading.Timer(1.0, later.rename, (folder / "k.csv",))
    timer.start()
    code, document = call("run", "start", "--timeout-ms", "60000", "--", *action, statement)
    assert (code, document["result"]["rows"]) == (0, [{"k": "a"}])


def test_time_limit_ends_the_action(home: Path, scores: str) -> None:
    code, document = call("run", "start", "--timeout-ms", "300", "--", "csv-sql", "--csv", scores, "--query", ENDLESS)
    assert (code, document["status"], document["error"]) == (1, "timed_out", "run timed out after 300 ms")
    _, shown = call("run", "show", "--run-id", document["run_id"])
    assert shown["run"]["status"] == "timed_out"
    assert running_workers(document["run_id"]) == []


def running_workers(run_id: str) -> List[str]:
    """The processes whose standard error is the log of the run."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if run_id in os.readlink(process / "fd" / "2"):
                found.append(process.name)
    return found


def started(home: Path) -> Path:
    """The directory of the one run, once its worker has begun."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        for run_dir in (home / "runs").glob("*"):
            owner = run_dir / "_owner.json"
            with contextlib.suppress(OSError, ValueError):
                if running_workers(run_dir.name) and json.loads(owner.read_text())["pid"] == int(running_workers(run_dir.name)[0]):
                    return run_dir
        time.sleep(0.02)
    raise AssertionError("no worker began")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks at processes in /proc")
def test_worker_that_is_killed_is_a_failed_run(home: Path, scores: str) -> None:
    answers: List[Tuple[int, Dict[str, Any]]] = []
    thread = threading.Thread(target=lambda: answers.append(background(home, scores)))
    thread.start()
    run_dir = started(home)
    os.kill(int(running_workers(run_dir.name)[0]), 9)
    thread.join(60)
    ((code, document),) = answers
    assert (code, document["status"], document["error"]) == (1, "failed", "action process exited with code -9")


def background(home: Path, scores: str) -> Tuple[int, Dict[str, Any]]:
    """A run that never ends, started from a process of its own."""
    done = run(["-m", "velaria", "run", "start", "--", "csv-sql", "--csv", scores, "--query", ENDLESS], env={"VELARIA_HOME": str(home)})
    return done.returncode, json.loads(done.stdout or "{}")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks at processes in /proc")
def test_worker_does_not_outlive_the_command(home: Path, scores: str) -> None:
    thread = threading.Thread(target=background, args=(home, scores))
    thread.start()
    run_dir = started(home)
    worker = int(running_workers(run_dir.name)[0])
    parent = int(Path("/proc/{}/stat".format(worker)).read_text().rsplit(")", 1)[1].split()[1])
    os.kill(parent, 9)
    thread.join(60)
    deadline = time.monotonic() + 60
    while running_workers(run_dir.name) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert running_workers(run_dir.name) == []
    _, shown = call("run", "show", "--run-id", run_dir.name)
    assert (shown["run"]["status"], shown["run"]["error"]) == ("cancelled", "run cancelled: the command that started it has ended")


INTERRUPTED = """
import os, signal, sys, threading, time
from pathlib import Path
from velaria.__main__ import main

signal.signal(signal.SIGINT, signal.default_int_handler)

def interrupt():
    while not list((Path(os.environ["VELARIA_HOME"]) / "runs").glob("*/_owner.json")):
        time.sleep(0.02)
    os.kill(os.getpid(), signal.SIGINT)

threading.Thread(target=interrupt, daemon=True).start()
try:
    main(["run", "start", "--", "csv-sql", "--csv", sys.argv[1], "--query", sys.argv[2]])
except KeyboardInterrupt:
    print("interrupted", file=sys.stderr)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="SIGINT cannot be sent to oneself there")
def test_interrupt_cancels_the_run(home: Path, scores: str) -> None:
    done = run(["-c", INTERRUPTED, scores, ENDLESS], env={"VELARIA_HOME": str(home)})
    assert done.stderr == "interrupted\n", done
    (entry,) = call("run", "list")[1]["runs"]
    assert entry["status"] == "cancelled"
    if sys.platform.startswith("linux"):
        assert running_workers(entry["run_id"]) == []


def test_secrets_are_not_written_down(home: Path, scores: str, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = "canary-5f1c9a77"
    monkeypatch.setenv("FEISHU_BITABLE_APP_SECRET", secret)
    for query in ("SELECT 1 AS one -- " + secret, "SELECT nope FROM input_table WHERE '{}' = ''".format(secret)):
        _, document = call("run", "start", "--", "csv-sql", "--csv", scores, "--query", query)
        assert secret not in json.dumps(document)
    found = [path for path in home.rglob("*") if path.is_file() and secret.encode() in path.read_bytes()]
    assert found == []


def test_runs_are_found_by_their_words(home: Path, scores: str) -> None:
    ids = []
    for name, tags in (("first", "a,b"), ("second", "b")):
        _, document = call("run", "start", "--run-name", name, "--tag", tags, "--", "csv-sql", "--csv", scores, "--query", QUERY)
        ids.append(document["run_id"])

    def found(*argv: str) -> List[str]:
        return [entry["run_id"] for entry in call("run", "list", *argv)[1]["runs"]]

    assert sorted(found()) == sorted(ids)
    assert found("--tag", "a") == found("--query", "FIRST") == found("--query", "first", "--limit", "1") == ids[:1]
    assert found("--status", "failed") == found("--action", "file-sql") == []
    (entry,) = call("run", "list", "--tag", "a")[1]["runs"]
    assert (entry["artifact_count"], entry["duration_ms"] >= 0) == (1, True)


def test_many_runs_at_once_keep_one_index(home: Path, scores: str) -> None:
    answers: List[int] = []

    def one() -> None:
        done = run(["-m", "velaria", "run", "start", "--", "csv-sql", "--csv", scores, "--query", QUERY], env={"VELARIA_HOME": str(home)})
        answers.append(done.returncode)

    threads = [threading.Thread(target=one) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [0] * 6
    runs = call("run", "list")[1]["runs"]
    assert [entry["status"] for entry in runs] == ["succeeded"] * 6
    assert len(call("artifacts", "list")[1]["artifacts"]) == 6
    assert not (home / "index" / "artifacts.jsonl").exists()


def test_a_kept_preview_has_the_numbers_of_its_result(home: Path, scores: str) -> None:
    query = "SELECT v * 0.1234567890123 / 7e-5 AS x, exp(v - 40) AS y FROM range(50) AS t(v)"
    _, document = call("run", "start", "--", "csv-sql", "--csv", scores, "--query", query)
    _, answer = call("run", "result", "--run-id", document["run_id"])
    assert len(answer["preview"]["rows"]) == 50
    assert answer["preview"]["rows"] == document["result"]["rows"]


def test_cleanup_deletes_directories_only_when_asked(home: Path, scores: str) -> None:
    dirs = []
    for _ in range(2):
        _, document = call("run", "start", "--", "csv-sql", "--csv", scores, "--query", QUERY)
        dirs.append(document["run_dir"])
    assert call("run", "cleanup")[1] == {"deleted_run_ids": [], "deleted_run_dirs": [], "backend": "sqlite", "ok": True}
    _, report = call("run", "cleanup", "--keep-last", "1", "--delete-files")
    assert len(report["deleted_run_ids"]) == 1
    assert [path for path in dirs if not Path(path).exists()] == report["deleted_run_dirs"]


def test_the_package_of_this_process_does_the_work(home: Path, scores: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder of the name of the package in the working directory is not imported by the worker."""
    decoy = tmp_path / "cwd" / "velaria"
    decoy.mkdir(parents=True)
    (decoy / "__init__.py").write_text("raise RuntimeError('the wrong package')\n")
    monkeypatch.chdir(decoy.parent)
    with mock.patch.dict(os.environ, {"PYTHONPATH": ""}):
        code, document = call("run", "start", "--", "csv-sql", "--csv", scores, "--query", QUERY)
    assert code == 0, document

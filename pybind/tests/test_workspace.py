"""``velaria.workspace``: directories of runs from Python, and many writers of one home."""

import datetime
import decimal
import doctest
import importlib
import json
import math
import os
import pathlib
import subprocess
import sys
import threading
from typing import Any, Dict, List

import pytest

from support import WATCHDOG_SECONDS, run_code
from velaria import errors, workspace
from velaria.workspace import paths, run_store, types

ALL = [
    "ArtifactIndex", "SQLITE_SCHEMA", "append_progress_snapshot", "append_stderr", "append_stdout", "create_run",
    "ensure_dirs", "finalize_run", "get_index_dir", "get_runs_dir", "get_velaria_home", "read_run", "update_run",
    "write_explain", "write_inputs",
]  # fmt: skip


@pytest.fixture
def home(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    """An empty home that the environment names."""
    path = tmp_path.resolve() / "home"
    monkeypatch.setenv("VELARIA_HOME", str(path))
    return path


def new_run(**options: Any) -> str:
    return workspace.create_run("csv-sql", {"csv": "a.csv", "output_path": None}, "0.1.0", **options)[0]


def test_names_are_those_of_the_contract() -> None:
    assert workspace.__all__ == ALL
    assert all(hasattr(workspace, name) for name in ALL)


@pytest.mark.parametrize("name", ["", ".artifact_index", ".paths", ".run_store", ".types"])
def test_every_example_runs(name: str, home: pathlib.Path) -> None:
    module = importlib.import_module("velaria.workspace" + name)
    outcome = doctest.testmod(module, optionflags=doctest.ELLIPSIS)
    assert outcome.attempted > 0 and outcome.failed == 0
    functions = [value for key, value in vars(module).items() if key in module.__all__ and callable(value)]
    assert all(">>>" in str(function.__doc__) or issubclass(function, Exception) for function in functions)


def test_the_environment_is_read_on_every_call(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("one", "two"):
        monkeypatch.setenv("VELARIA_HOME", str(tmp_path / name))
        expected = (tmp_path / name).resolve()
        assert workspace.get_velaria_home() == expected
        assert workspace.get_runs_dir() == expected / "runs"
        assert workspace.get_index_dir() == expected / "index"
        assert workspace.ArtifactIndex().sqlite_path == expected / "index" / "artifacts.sqlite"
    monkeypatch.delenv("VELARIA_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert workspace.get_velaria_home() == tmp_path.resolve() / ".velaria"
    monkeypatch.setenv("VELARIA_HOME", "~/three")
    assert workspace.get_velaria_home() == tmp_path.resolve() / "three"


def test_nothing_is_made_before_it_is_needed(home: pathlib.Path) -> None:
    assert not paths.get_runs_dir().exists() and not home.exists()
    made = workspace.ensure_dirs()
    assert made == {"home": home, "runs": home / "runs", "index": home / "index"}
    assert all(path.is_dir() and path.stat().st_mode & 0o777 == 0o700 for path in made.values())


def test_a_new_run(home: pathlib.Path) -> None:
    run_id, run_dir = workspace.create_run("csv-sql", {"csv": "a.csv", "output_path": None}, "0.1.0", run_name="名")
    assert isinstance(run_dir, pathlib.Path) and run_dir == home / "runs" / run_id
    names = sorted(path.name for path in run_dir.iterdir() if not path.name.startswith("_"))
    assert names == ["artifacts", "progress.jsonl", "run.json", "stderr.log", "stdout.log"]
    record = workspace.read_run(run_id)
    assert list(record) == [
        "run_id", "created_at", "action", "cli_args", "velaria_version", "run_dir", "status", "finished_at", "run_name",
        "error", "details",
    ]  # fmt: skip
    text = (run_dir / "run.json").read_text(encoding="utf-8")
    assert text == json.dumps(record, indent=2, ensure_ascii=False) + "\n"
    assert (record["status"], record["run_name"], record["details"]) == ("running", "名", {})
    assert run_store.get_run_file(run_id) == run_dir / "run.json"


def test_a_run_from_start_to_end(home: pathlib.Path) -> None:
    run_id = new_run(description="why", tags=("a", "b"))
    assert workspace.write_inputs(run_id, {"action": "csv-sql", "action_args": {}, "timeout_ms": None}).name == "inputs.json"
    explain = workspace.write_explain(run_id, {"logical": "北", "physical": "p", "strategy": "s"})
    assert json.loads(explain.read_text(encoding="utf-8")) == {"logical": "北", "physical": "p", "strategy": "s"}
    for number in range(2):
        progress = workspace.append_progress_snapshot(run_id, json_text=json.dumps({"n": number}))
    assert progress.read_text() == '{"n": 0}\n{"n": 1}\n'
    assert workspace.append_stdout(run_id, "out\n").read_text() == "out\n"
    assert workspace.append_stderr(run_id, "err\n").read_text() == "err\n"
    updated = workspace.update_run(run_id, run_name="later", error=None)
    assert (updated["run_name"], updated["description"], updated["tags"]) == ("later", "why", ["a", "b"])
    ended = workspace.finalize_run(run_id, "failed", error="boom", details={"id": 1})
    assert (ended["status"], ended["error"], ended["details"]) == ("failed", "boom", {"id": 1})
    assert ended["finished_at"] >= ended["created_at"]
    assert workspace.finalize_run(run_id, "succeeded", finished_at="2027-01-01T00:00:00Z")["error"] == "boom"
    assert types.RunRecord(**workspace.read_run(run_id)).to_dict() == workspace.read_run(run_id)


@pytest.mark.parametrize("run_id", ["missing-run", "", "..", "../../etc", "/etc/passwd", "a\0b", "20261121T073807Z_ffffffff", "x" * 300])
def test_a_run_that_is_not_there(home: pathlib.Path, run_id: str) -> None:
    for call in (workspace.read_run, workspace.update_run, lambda name: workspace.append_stdout(name, "x")):
        with pytest.raises(FileNotFoundError) as raised:
            call(run_id)
        assert isinstance(raised.value, errors.Error)
        assert (raised.value.code, raised.value.message) == ("VEL-6201", "run not found: " + run_id)


def test_a_version_may_be_unknown(home: pathlib.Path) -> None:
    run_id, _ = workspace.create_run("csv-sql", {}, velaria_version=None)
    assert workspace.read_run(run_id)["velaria_version"] is None


def test_a_secret_of_the_environment_leaves_the_structure(home: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_TOKEN", "succeeded")
    run_id = new_run()
    assert workspace.finalize_run(run_id, "succeeded", error="not succeeded")["status"] == "succeeded"
    assert workspace.read_run(run_id)["error"] == "not ***"
    progress = workspace.append_progress_snapshot(run_id, '{"status": "succeeded", "token": 1}')
    assert json.loads(progress.read_text()) == {"status": "succeeded", "token": "***"}


def test_wrong_arguments_are_typed_errors(home: pathlib.Path) -> None:
    run_id = new_run()
    with pytest.raises(TypeError):
        run_store.Workspace().create_run("csv-sql", ["a"], "0.1.0", None, None, None)  # type: ignore[arg-type]
    for status in ("running", "done", ""):
        with pytest.raises(ValueError):
            workspace.finalize_run(run_id, status)
    with pytest.raises(ValueError):
        workspace.update_run(run_id, status="done")
    with pytest.raises(ValueError):
        workspace.append_progress_snapshot(run_id, "{")
    cycle: Dict[str, Any] = {}
    cycle["self"] = cycle
    with pytest.raises(ValueError, match="nested too deeply"):
        workspace.write_inputs(run_id, cycle)
    assert workspace.read_run(run_id)["status"] == "running"


def test_values_that_json_lacks_are_written_as_text(home: pathlib.Path) -> None:
    values: Dict[str, Any] = {
        "date": datetime.date(2026, 3, 29),
        "time": datetime.datetime(2026, 3, 29, 10, 0, 0, 123000),
        "decimal": decimal.Decimal("1.50"),
        "bytes": b"\x00\xff",
        "path": pathlib.Path("/a/b"),
        "nan": math.nan,
        "inf": math.inf,
        "big": 2**70,
        "tuple": (1, 2.5, None, True),
        "half": "\ud800",
        3: "three",
    }
    path = workspace.write_inputs(new_run(), values)
    assert json.loads(path.read_text(encoding="utf-8")) == {
        "date": "2026-03-29",
        "time": "2026-03-29T10:00:00.123000",
        "decimal": "1.50",
        "bytes": "00ff",
        "path": "/a/b",
        "nan": None,
        "inf": None,
        "big": str(2**70),
        "tuple": [1, 2.5, None, True],
        "half": "\ufffd\ufffd\ufffd",
        "3": "three",
    }


def test_numpy_values_are_numbers(home: pathlib.Path) -> None:
    numpy = pytest.importorskip("numpy")
    values = {"i": numpy.int64(3), "f": numpy.float32(1.5), "b": numpy.bool_(True), "a": numpy.array([1, 2])}
    path = workspace.write_inputs(new_run(), values)
    assert json.loads(path.read_text()) == {"i": 3, "f": 1.5, "b": True, "a": [1, 2]}


def test_secrets_are_not_written_down(home: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    canary = "canary-0b2f6d"
    monkeypatch.setenv("FEISHU_BITABLE_APP_SECRET", canary)
    run_id, _ = workspace.create_run("csv-sql", {"app_secret": "x", "url": "https://h/?k=" + canary}, "0.1.0", description=canary)
    workspace.write_inputs(run_id, {"token": canary, "deep": [{"a": canary}]})
    workspace.append_stderr(run_id, "failed with {}\n".format(canary))
    workspace.finalize_run(run_id, "failed", error=canary)
    index = workspace.ArtifactIndex()
    index.upsert_run({**workspace.read_run(run_id), "error": canary})
    assert workspace.read_run(run_id)["cli_args"] == {"app_secret": "***", "url": "https://h/?k=***"}
    for path in home.rglob("*"):
        if path.is_file():
            assert canary.encode() not in path.read_bytes(), path


WRITER = """
import sys
from velaria import workspace
name, shared, rounds = sys.argv[1], sys.argv[2], int(sys.argv[3])
for number in range(rounds):
    index = workspace.ArtifactIndex()
    run_id, run_dir = workspace.create_run("csv-sql", {"writer": name}, "0.1.0", tags=[name])
    index.upsert_run(workspace.read_run(run_id))
    index.insert_artifact({
        "artifact_id": "artifact_{}_{}".format(name, number), "run_id": run_id, "uri": run_dir.as_uri(), "format": "csv",
        "tags_json": [name],
    })
    key = "{}-{}".format(name, number)
    workspace.update_run(shared, **{key: number})
    workspace.append_progress_snapshot(shared, '{"writer": "%s"}' % key)
    index.upsert_run(workspace.finalize_run(run_id, "succeeded"))
"""


def check_nothing_is_lost(shared: str, names: List[str], rounds: int) -> None:
    index = workspace.ArtifactIndex()
    assert index.backend == "sqlite" and not index.fallback_path.exists()
    assert len(index.list_runs(limit=10_000, status="succeeded")) == len(names) * rounds
    record = workspace.read_run(shared)
    keys = {"{}-{}".format(name, number) for name in names for number in range(rounds)}
    assert keys <= set(record)
    lines = (run_store.get_run_dir(shared) / "progress.jsonl").read_text().splitlines()
    assert {json.loads(line)["writer"] for line in lines} == keys and len(lines) == len(keys)
    for name in names:
        assert len(index.list_artifacts(tag=name)) == len(index.list_runs(tag=name)) == rounds


def test_many_processes_lose_nothing(home: pathlib.Path) -> None:
    shared = new_run()
    names = ["p{:02}".format(number) for number in range(32)]
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, name, shared, "2"], stderr=subprocess.PIPE, text=True) for name in names
    ]
    for writer in writers:
        _, said = writer.communicate(timeout=WATCHDOG_SECONDS)
        assert writer.returncode == 0, said
    check_nothing_is_lost(shared, names, 2)


def test_many_threads_lose_nothing(home: pathlib.Path) -> None:
    shared = new_run()
    names = ["t{:02}".format(number) for number in range(32)]
    failures: List[BaseException] = []
    code = compile(WRITER.replace("sys.argv[1], sys.argv[2], int(sys.argv[3])", "name, shared, 2"), "writer", "exec")

    def write(name: str) -> None:
        try:
            exec(code, {"name": name, "shared": shared})
        except BaseException as failure:
            failures.append(failure)

    threads = [threading.Thread(target=write, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WATCHDOG_SECONDS)
    assert not failures
    check_nothing_is_lost(shared, names, 2)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="processes are known by /proc")
def test_a_run_of_a_killed_process_is_aborted(home: pathlib.Path) -> None:
    code = """
import os, signal
from velaria import workspace
run_id, _ = workspace.create_run("csv-sql", {}, "0.1.0")
workspace.ArtifactIndex().upsert_run(workspace.read_run(run_id))
print(run_id, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""
    done = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, timeout=WATCHDOG_SECONDS)
    run_id = done.stdout.strip()
    assert workspace.ArtifactIndex().get_run(run_id)["status"] == "aborted"  # type: ignore[index]
    assert workspace.read_run(run_id)["error"] == "the process of the run ended without a result"
    assert workspace.finalize_run(run_id, "failed")["status"] == "failed"


def test_the_package_does_not_load_it(home: pathlib.Path) -> None:
    loaded = run_code("import sys, velaria; print(*sys.modules)").split()
    assert "velaria.workspace" not in loaded
    loaded = run_code("import sys, velaria.workspace; print(*sys.modules)").split()
    assert not {"sqlite3", "pyarrow", "pandas"}.intersection(loaded)
    assert os.environ["VELARIA_HOME"] == str(home)


def test_one_text_is_one_tag(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VELARIA_HOME", str(tmp_path))
    run_id, _ = workspace.create_run("csv-sql", {}, "0.1.0", tags="daily")
    assert workspace.read_run(run_id)["tags"] == ["daily"]

"""The directories of runs.

An id that is not one, or of which there is no run, is a ``FileNotFoundError``. Many processes can write one run: nothing
that they write is lost.
"""

from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from velaria._velaria import Workspace

__all__ = [
    "append_progress_snapshot",
    "append_stderr",
    "append_stdout",
    "create_run",
    "finalize_run",
    "get_run_dir",
    "get_run_file",
    "read_run",
    "update_run",
    "utc_now",
    "write_explain",
    "write_inputs",
]


def utc_now() -> str:
    """This moment as records say it.

    >>> from velaria.workspace.run_store import utc_now
    >>> utc_now().endswith("Z")
    True
    """
    return Workspace().utc_now()


def get_run_dir(run_id: str) -> Path:
    """The directory of the run ``run_id``, whether it is there or not.

    >>> from velaria.workspace.run_store import get_run_dir
    >>> get_run_dir("20261121T073807Z_41f61f86").name
    '20261121T073807Z_41f61f86'
    """
    return Workspace().run_dir(run_id)


def get_run_file(run_id: str) -> Path:
    """The ``run.json`` of the run ``run_id``.

    >>> from velaria.workspace.run_store import get_run_file
    >>> get_run_file("20261121T073807Z_41f61f86").name
    'run.json'
    """
    return get_run_dir(run_id) / "run.json"


def create_run(
    action: str,
    args: Mapping[str, Any],
    velaria_version: Optional[str],
    run_name: Optional[str] = None,
    description: Optional[str] = None,
    tags: Optional[Sequence[str]] = None,
) -> Tuple[str, Path]:
    """Makes the directory of a new run with the status ``running``; the result is its id and its directory.

    Secrets among ``args`` are not written down. A version of ``None`` is one that is not known.

    >>> from velaria.workspace import create_run, read_run
    >>> run_id, run_dir = create_run("csv-sql", {"csv": "a.csv", "token": "t"}, "0.1.0", tags=["daily"])
    >>> read_run(run_id)["cli_args"]
    {'csv': 'a.csv', 'token': '***'}
    """
    # One text is one tag, and not its letters.
    labels: Optional[List[str]] = [tags] if isinstance(tags, str) else None if tags is None else list(tags)
    return Workspace().create_run(action, dict(args), velaria_version, run_name, description, labels)


def read_run(run_id: str) -> Dict[str, Any]:
    """What ``run.json`` says. A run whose process is gone is written down as ``aborted`` first.

    >>> from velaria.workspace import read_run
    >>> read_run("missing")
    Traceback (most recent call last):
    velaria.errors.FileMissingError: run not found: missing [VEL-6201]
    """
    return Workspace().read_run(run_id)


def update_run(run_id: str, **updates: Any) -> Dict[str, Any]:
    """Sets the fields that are not ``None``, and returns the whole record.

    >>> from velaria.workspace import create_run, update_run
    >>> run_id, _ = create_run("csv-sql", {}, "0.1.0")
    >>> update_run(run_id, run_name="daily")["run_name"]
    'daily'
    """
    return Workspace().update_run(run_id, updates)


def finalize_run(
    run_id: str,
    status: str,
    finished_at: Optional[str] = None,
    error: Optional[str] = None,
    details: Optional[Mapping[str, Any]] = None,
) -> Dict[str, Any]:
    """Writes down how the run ended: ``succeeded``, ``failed``, ``timed_out``, ``cancelled`` or ``aborted``.

    >>> from velaria.workspace import create_run, finalize_run
    >>> run_id, _ = create_run("csv-sql", {}, "0.1.0")
    >>> finalize_run(run_id, "failed", error="no such column")["error"]
    'no such column'
    """
    return Workspace().finalize_run(run_id, status, finished_at, error, None if details is None else dict(details))


def write_inputs(run_id: str, inputs: Mapping[str, Any]) -> Path:
    """Writes ``inputs.json``, without the secrets in it.

    >>> from velaria.workspace import create_run, write_inputs
    >>> run_id, _ = create_run("csv-sql", {}, "0.1.0")
    >>> write_inputs(run_id, {"action": "csv-sql", "timeout_ms": None}).name
    'inputs.json'
    """
    return Workspace().write_inputs(run_id, dict(inputs))


def write_explain(run_id: str, explain: Mapping[str, Any]) -> Path:
    """Writes ``explain.json``.

    >>> from velaria.workspace import create_run, write_explain
    >>> run_id, _ = create_run("csv-sql", {}, "0.1.0")
    >>> write_explain(run_id, {"logical": "", "physical": "", "strategy": ""}).name
    'explain.json'
    """
    return Workspace().write_explain(run_id, dict(explain))


def append_progress_snapshot(run_id: str, json_text: str) -> Path:
    """Appends one snapshot, a JSON document, as a line of ``progress.jsonl``.

    >>> from velaria.workspace import append_progress_snapshot, create_run
    >>> run_id, _ = create_run("stream-sql-once", {}, "0.1.0")
    >>> append_progress_snapshot(run_id, '{"status": "running"}').read_text()
    '{"status": "running"}\\n'
    """
    return Workspace().append_progress_snapshot(run_id, json_text)


def append_stdout(run_id: str, text: str) -> Path:
    """Appends ``text`` to ``stdout.log``.

    >>> from velaria.workspace import append_stdout, create_run
    >>> run_id, _ = create_run("csv-sql", {}, "0.1.0")
    >>> append_stdout(run_id, "done").read_text()
    'done'
    """
    return Workspace().append_stdout(run_id, text)


def append_stderr(run_id: str, text: str) -> Path:
    """Appends ``text`` to ``stderr.log``.

    >>> from velaria.workspace import append_stderr, create_run
    >>> run_id, _ = create_run("csv-sql", {}, "0.1.0")
    >>> append_stderr(run_id, "slow").read_text()
    'slow'
    """
    return Workspace().append_stderr(run_id, text)

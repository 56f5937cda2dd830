"""Tracked runs and their artifacts: one directory for each run under one home, and an index of them.

The home is ``VELARIA_HOME``, or ``~/.velaria``; every call reads the environment anew.

>>> from velaria import workspace
>>> run_id, run_dir = workspace.create_run("csv-sql", {"csv": "a.csv"}, "0.1.0")
>>> workspace.finalize_run(run_id, "succeeded")["status"]
'succeeded'
"""

from velaria.workspace.artifact_index import SQLITE_SCHEMA, ArtifactIndex
from velaria.workspace.paths import ensure_dirs, get_index_dir, get_runs_dir, get_velaria_home
from velaria.workspace.run_store import (
    append_progress_snapshot,
    append_stderr,
    append_stdout,
    create_run,
    finalize_run,
    read_run,
    update_run,
    write_explain,
    write_inputs,
)

__all__ = [
    "ArtifactIndex",
    "SQLITE_SCHEMA",
    "append_progress_snapshot",
    "append_stderr",
    "append_stdout",
    "create_run",
    "ensure_dirs",
    "finalize_run",
    "get_index_dir",
    "get_runs_dir",
    "get_velaria_home",
    "read_run",
    "update_run",
    "write_explain",
    "write_inputs",
]

"""The index of runs and artifacts: what lists are read from."""

from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional

from velaria._velaria import Workspace
from velaria.errors import RunDeleteConflictError

__all__ = ["SQLITE_SCHEMA", "ArtifactIndex", "RunDeleteConflictError"]

SQLITE_SCHEMA: str = Workspace.SQLITE_SCHEMA
"""The tables and indexes of ``artifacts.sqlite``."""


class ArtifactIndex:
    """The index of the home that the environment names now.

    It is a SQLite file that many processes and threads can write, and a file of events where SQLite cannot be used; what
    is in the second goes into the first as soon as it can.

    >>> from velaria.workspace import ArtifactIndex, create_run, read_run
    >>> run_id, _ = create_run("csv-sql", {"csv": "a.csv"}, "0.1.0")
    >>> index = ArtifactIndex()
    >>> index.upsert_run(read_run(run_id))
    >>> index.get_run(run_id)["status"]
    'running'
    """

    sqlite_path: Path
    """Where the SQLite file is, or would be."""
    fallback_path: Path
    """Where the events are when SQLite cannot be used."""
    backend: str
    """``sqlite`` or ``jsonl``."""
    fallback_reason: Optional[str]
    """Why SQLite cannot be used."""

    def __init__(self) -> None:
        self._index = Workspace().open_index()
        self.sqlite_path = self._index.sqlite_path
        self.fallback_path = self._index.fallback_path
        self.backend = self._index.backend
        self.fallback_reason = self._index.fallback_reason

    def upsert_run(self, meta: Mapping[str, Any]) -> None:
        """Inserts the run ``meta``, a record as in ``run.json``, or sets all columns of its row.

        Keys without a column are ignored.

        >>> index = ArtifactIndex()
        >>> index.upsert_run({"run_id": "a", "action": "csv-sql", "status": "failed", "more": 1})
        """
        self._index.upsert_run(dict(meta))

    def get_run(self, run_id: str) -> Optional[Dict[str, Any]]:
        """The row of the run, or ``None``.

        >>> ArtifactIndex().get_run("missing") is None
        True
        """
        return self._index.get_run(run_id)

    def list_runs(
        self,
        limit: int = 50,
        status: Optional[str] = None,
        action: Optional[str] = None,
        tag: Optional[str] = None,
        query: Optional[str] = None,
    ) -> List[Dict[str, Any]]:
        """The newest runs that fit; ``query`` is text in the id, action, name, description, error or a tag.

        >>> ArtifactIndex().list_runs(query="nothing has this text")
        []
        """
        return self._index.list_runs(limit, status, action, tag, query)

    def insert_artifact(self, meta: Mapping[str, Any]) -> None:
        """Inserts the artifact ``meta``, or replaces the one with its ``artifact_id``.

        >>> index = ArtifactIndex()
        >>> index.insert_artifact({"artifact_id": "artifact_1", "run_id": "a", "uri": "file:///a.csv", "format": "csv"})
        >>> index.get_artifact("artifact_1")["tags_json"]
        []
        """
        self._index.insert_artifact(dict(meta))

    def update_artifact_preview(self, artifact_id: str, preview: Mapping[str, Any]) -> None:
        """Stores the preview of an artifact.

        >>> index = ArtifactIndex()
        >>> index.insert_artifact({"artifact_id": "artifact_2", "run_id": "a", "uri": "file:///a.csv", "format": "csv"})
        >>> index.update_artifact_preview("artifact_2", {"rows": [], "truncated": False})
        """
        self._index.update_artifact_preview(artifact_id, dict(preview))

    def list_artifacts(
        self,
        limit: int = 50,
        run_id: Optional[str] = None,
        since: Optional[str] = None,
        tag: Optional[str] = None,
    ) -> List[Dict[str, Any]]:
        """The newest artifacts that fit; the limit counts those that do.

        >>> ArtifactIndex().list_artifacts(tag="nothing has this tag")
        []
        """
        return self._index.list_artifacts(limit, run_id, since, tag)

    def get_artifact(self, artifact_id: str) -> Optional[Dict[str, Any]]:
        """The artifact, or ``None``.

        >>> ArtifactIndex().get_artifact("missing") is None
        True
        """
        return self._index.get_artifact(artifact_id)

    def cleanup_runs(
        self,
        keep_last_n: Optional[int] = None,
        ttl_days: Optional[float] = None,
        delete_files: bool = False,
    ) -> Dict[str, Any]:
        """Deletes runs that have ended: all but the newest ``keep_last_n``, or those that are older than ``ttl_days``.

        Directories are deleted with ``delete_files`` alone, and then those without a row as well.

        >>> ArtifactIndex().cleanup_runs(ttl_days=10_000)["deleted_run_ids"]
        []
        """
        return self._index.cleanup_runs(keep_last_n, ttl_days, delete_files)

    def delete_run(self, run_id: str, *, delete_files: bool = False) -> Dict[str, Any]:
        """Deletes one run that has ended; ``RunDeleteConflictError`` says that it has not.

        >>> index = ArtifactIndex()
        >>> index.upsert_run({"run_id": "b", "action": "csv-sql", "status": "failed"})
        >>> index.delete_run("b")["run_id"]
        'b'
        """
        return self._index.delete_run(run_id, delete_files)

    def close(self) -> None:
        """Refuses every later call. No file is open between calls.

        >>> ArtifactIndex().close()
        """
        self._index.close()

    @staticmethod
    def rebuild() -> Dict[str, Any]:
        """Makes the index anew from the directories of the runs, and says what it was made of.

        >>> sorted(ArtifactIndex.rebuild())
        ['artifacts', 'runs', 'set_aside', 'skipped']
        """
        return Workspace().rebuild_index()

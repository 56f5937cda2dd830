"""The records of runs and artifacts, and the limits of a preview."""

from dataclasses import dataclass, field
from typing import Any, Dict, List, Optional

from velaria._velaria import Workspace

__all__ = ["PREVIEW_LIMIT_BYTES", "PREVIEW_LIMIT_ROWS", "ArtifactRecord", "RunRecord"]

PREVIEW_LIMIT_ROWS: int = Workspace.PREVIEW_LIMIT_ROWS
"""Rows of a preview at most."""

PREVIEW_LIMIT_BYTES: int = Workspace.PREVIEW_LIMIT_BYTES
"""Bytes of a preview's compact JSON at most."""


@dataclass
class RunRecord:
    """What ``run.json`` says.

    >>> from velaria.workspace import create_run, read_run
    >>> from velaria.workspace.types import RunRecord
    >>> run_id, _ = create_run("csv-sql", {}, "0.1.0")
    >>> RunRecord(**read_run(run_id)).to_dict() == read_run(run_id)
    True
    """

    run_id: str
    created_at: str
    action: str
    cli_args: Dict[str, Any]
    velaria_version: Optional[str]
    run_dir: str
    status: str = "running"
    finished_at: Optional[str] = None
    run_name: Optional[str] = None
    description: Optional[str] = None
    tags: List[str] = field(default_factory=list)
    error: Optional[str] = None
    details: Dict[str, Any] = field(default_factory=dict)

    def to_dict(self) -> Dict[str, Any]:
        """The record with its keys in the order of ``run.json``, which has a description and tags only where there are.

        >>> record = RunRecord("a", "2026-01-01T00:00:00Z", "csv-sql", {}, "0.1.0", "/runs/a", tags=["daily"])
        >>> list(record.to_dict())[:3], record.to_dict()["tags"], "description" in record.to_dict()
        (['run_id', 'created_at', 'action'], ['daily'], False)
        """
        values = dict(vars(self))
        for key in ("description", "tags"):
            if not values[key]:
                del values[key]
        return values


@dataclass
class ArtifactRecord:
    """One file that a run made, as the index has it.

    >>> from velaria.workspace.types import ArtifactRecord
    >>> ArtifactRecord("artifact_1", "a", "2026-01-01T00:00:00Z", "file", "file:///a.csv", "csv").to_dict()["tags_json"]
    []
    """

    artifact_id: str
    run_id: str
    created_at: str
    type: str
    uri: str
    format: str
    row_count: Optional[int] = None
    schema_json: Optional[List[str]] = None
    preview_json: Optional[Dict[str, Any]] = None
    tags_json: List[str] = field(default_factory=list)

    def to_dict(self) -> Dict[str, Any]:
        """The record with its keys in the order of the index.

        >>> record = ArtifactRecord("artifact_1", "a", "2026-01-01T00:00:00Z", "file", "file:///a.csv", "csv", row_count=2)
        >>> list(record.to_dict())[:3], record.to_dict()["row_count"]
        (['artifact_id', 'run_id', 'created_at'], 2)
        """
        return dict(vars(self))

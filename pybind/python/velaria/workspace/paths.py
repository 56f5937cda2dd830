"""Where runs and their index are."""

from pathlib import Path
from typing import Dict

from velaria._velaria import Workspace

__all__ = ["ensure_dirs", "get_index_dir", "get_runs_dir", "get_velaria_home"]


def get_velaria_home() -> Path:
    """The home that the environment names now: ``VELARIA_HOME``, or ``~/.velaria``.

    >>> import os
    >>> from pathlib import Path
    >>> from velaria.workspace import get_velaria_home
    >>> get_velaria_home() == Path(os.environ["VELARIA_HOME"]).resolve()
    True
    """
    return Workspace().home


def get_runs_dir() -> Path:
    """The directory of the runs' directories.

    >>> from velaria.workspace import get_runs_dir
    >>> get_runs_dir().name
    'runs'
    """
    return Workspace().runs_dir


def get_index_dir() -> Path:
    """The directory of the index.

    >>> from velaria.workspace import get_index_dir
    >>> get_index_dir().name
    'index'
    """
    return Workspace().index_dir


def ensure_dirs() -> Dict[str, Path]:
    """Creates what is missing, for this user alone, and says where it is.

    >>> from velaria.workspace import ensure_dirs
    >>> sorted(ensure_dirs())
    ['home', 'index', 'runs']
    """
    workspace = Workspace()
    workspace.ensure_dirs()
    return {"home": workspace.home, "runs": workspace.runs_dir, "index": workspace.index_dir}

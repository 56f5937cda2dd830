"""Other programs: run them, and make environments for them."""

import os
import shutil
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import Dict, Iterator, List, Mapping, Optional, Tuple, Union

from matrix import Failure

ROOT = Path(__file__).resolve().parents[2]
DIST = ROOT / "dist"
VENV = ROOT / ".venv"
TESTS = ROOT / "pybind" / "tests"

Word = Union[str, Path]

# Far above what any step needs: a hang is a failure.
STEP_SECONDS_MAX = 3600


def clean_environment() -> Dict[str, str]:
    """The environment without what would let a checkout stand in for the installed wheel."""
    return {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")}


def run(
    *argv: Word, cwd: Optional[Path] = None, env: Optional[Mapping[str, str]] = None, quiet: bool = False, check: bool = True
) -> "subprocess.CompletedProcess[str]":
    """Runs a program. Its output is shown when it fails, and otherwise unless it is quiet."""
    words = [str(word) for word in argv]
    try:
        done = subprocess.run(
            words,
            cwd=cwd,
            env={**clean_environment(), **(env or {})},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT if not quiet else subprocess.PIPE,
            encoding="utf-8",
            errors="replace",
            timeout=STEP_SECONDS_MAX,
        )
    except subprocess.TimeoutExpired:
        raise Failure("{} did not end within {} s".format(words[0], STEP_SECONDS_MAX))
    except OSError as error:
        raise Failure("{}: {}".format(words[0], error))
    failed = check and done.returncode != 0
    if failed or not quiet:
        sys.stdout.write(done.stdout)
        sys.stdout.write(done.stderr or "")
        sys.stdout.flush()
    if failed:
        raise Failure("{} ended with exit code {}".format(" ".join(words)[:200], done.returncode))
    return done


def last_line(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1].strip() if lines else ""


def pip(python: Path, *arguments: Word) -> None:
    """Installs with the ``pip`` of an environment."""
    run(python, "-m", "pip", "install", "-q", "--disable-pip-version-check", *arguments, quiet=True)


def make_venv(folder: Path, interpreter: Path) -> Path:
    """The interpreter of a new virtual environment."""
    run(interpreter, "-m", "venv", folder, quiet=True)
    return folder / "bin" / "python"


@contextmanager
def scratch_venv(interpreter: Path) -> Iterator[Path]:
    """A virtual environment that is gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="velaria-venv-"))
    try:
        yield make_venv(folder, interpreter)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def tools_venv(interpreter: Path, *packages: str) -> Path:
    """The folder of programs of an environment for build tools, kept for the next run."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = cache / "velaria" / "python-tools"
    python = folder / "bin" / "python"
    if not python.exists():
        make_venv(folder, interpreter)
    pip(python, *packages)
    return folder / "bin"


def other_interpreters(main: Path) -> List[Tuple[str, Path]]:
    """Every CPython from 3.9 on, one for each minor version, without that of ``main``."""
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    candidates = sorted(pyenv.glob("versions/*/bin/python3"))
    candidates += [Path(found) for found in (shutil.which("python3.{}".format(minor)) for minor in range(9, 30)) if found]
    found: Dict[str, Path] = {}
    for candidate in candidates:
        version = minor_version(candidate)
        if version:
            found.setdefault(version, candidate)
    found.pop(minor_version(main), None)
    return sorted(found.items(), key=lambda item: int(item[0].split(".")[1]))


def minor_version(interpreter: Path) -> str:
    """The version of a CPython that can run the wheel, such as ``3.12``; empty for anything else."""
    probe = (
        "import sys, venv; assert sys.implementation.name == 'cpython' and sys.version_info >= (3, 9); "
        "print('%d.%d' % sys.version_info[:2])"
    )
    done = run(interpreter, "-c", probe, quiet=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else ""

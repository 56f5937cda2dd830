"""What several test files need: the repository, optional packages, and fresh interpreters."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Dict, List, Optional

import pytest


ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / "sqllogic" / "data"
GOLDEN = ROOT / "golden"

# What golden cases and snapshots write for the folders of the repository.
PLACEHOLDERS = {"{data}": str(GOLDEN / "data"), "{sqllogic}": str(DATA)}

# A hang is a failure. Far above what any child needs, so that a busy machine does not fail a test.
WATCHDOG_SECONDS = 120


def need(name: str) -> Any:
    """An optional package; without it the test is skipped."""
    return pytest.importorskip(name, reason="needs the package {}".format(name), exc_type=ImportError)


def expand(text: str) -> str:
    """The text of a golden file with folders in the place of placeholders."""
    for placeholder, folder in PLACEHOLDERS.items():
        text = text.replace(placeholder, folder)
    return text


def golden_cases(kind: str) -> List[Path]:
    """The case files of one kind."""
    return sorted((GOLDEN / "cases" / kind).glob("*.toml"))


def golden_case(path: Path) -> Dict[str, Any]:
    """The content of a case file, with its placeholders as they are."""
    # In the standard library since Python 3.11.
    toml = need("tomllib" if sys.version_info >= (3, 11) else "tomli")
    content: Dict[str, Any] = toml.loads(path.read_text(encoding="utf-8"))
    return content


def snapshot(kind: str, case: Path) -> str:
    """The snapshot of a case, without its header; the engine's own tests hold the engine to it."""
    content = (GOLDEN / "snapshots" / "{}@{}.snap".format(kind, case.name)).read_text(encoding="utf-8")
    return expand(content.split("\n---\n", 1)[1])


def run(
    argv: List[str], stdin: Optional[str] = None, env: Optional[Dict[str, str]] = None, cwd: Optional[Path] = None
) -> "subprocess.CompletedProcess[str]":
    """Runs this interpreter in a process of its own."""
    return subprocess.run(
        [sys.executable, *argv],
        input="" if stdin is None else stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        timeout=WATCHDOG_SECONDS,
        env={**os.environ, "PYTHONUTF8": "1", **(env or {})},
        cwd=cwd,
    )


def run_code(code: str, *args: str, stdin: Optional[str] = None) -> str:
    """Runs Python code, which must succeed and keep stderr empty, and returns what it printed."""
    done = run(["-c", code, *args], stdin=stdin)
    assert done.returncode == 0, "exit code {}\n{}\n{}".format(done.returncode, done.stdout, done.stderr)
    assert done.stderr == ""
    return done.stdout

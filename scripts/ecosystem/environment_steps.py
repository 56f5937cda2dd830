"""Steps that install the wheel into clean environments, with and without optional packages."""

import re
import shutil
from pathlib import Path

from matrix import Counts, Failure, Outcome
from packaging_steps import passed
from shell import TESTS, VENV, last_line, make_venv, pip, run, scratch_venv
from test_steps import pytest


def install_everything(interpreter: Path, wheel: Path) -> Outcome:
    """The environment of the grouped tests: the wheel, and every package that a test can use."""
    python = VENV / "bin" / "python"
    if not python.exists() or identity(python) != identity(interpreter):
        shutil.rmtree(VENV, ignore_errors=True)
        make_venv(VENV, interpreter)
    pip(python, "-r", TESTS / "requirements.txt", "-r", TESTS / "requirements-vectors.txt")
    pip(python, "--no-deps", "--no-index", "--force-reinstall", wheel)
    where = run(python, "-c", "import velaria, sys; print(velaria.__file__)", cwd=TESTS, quiet=True).stdout
    if not where.startswith(str(VENV)):
        raise Failure("velaria is imported from {}, not from the wheel".format(where.strip()))
    return passed(last_line(run(python, "--version", quiet=True).stdout))


def identity(python: Path) -> str:
    """Which Python an interpreter is, whatever environment it stands in."""
    return run(python, "-c", "import sys; print(sys.base_prefix, sys.version)", quiet=True, check=False).stdout


def plain_environment(interpreter: Path, wheel: Path, results: Path) -> Outcome:
    """The wheel and nothing else: it needs no package, and what it does without them works."""
    with scratch_venv(interpreter) as python:
        pip(python, "--no-index", wheel)
        required = run(python, "-m", "pip", "show", "velaria", quiet=True).stdout
        if "\nRequires: \n" not in required:
            raise Failure("the plain wheel requires packages: {}".format(required))
        run(python, TESTS / "smoke.py")
        run(python, TESTS / "extras.py", "plain")
        pip(python, "pytest")
        # Files that need a package skip themselves.
        outcome = pytest(python, [TESTS], results / "pytest-plain.xml")
        return Outcome(outcome.counts + Counts(passed=2), outcome.detail)


def extra_environment(interpreter: Path, wheel: Path, extra: str) -> Outcome:
    """The wheel with one of its extras: exactly what the extra promises works."""
    with scratch_venv(interpreter) as python:
        pip(python, "{}[{}]".format(wheel, extra))
        run(python, "-m", "pip", "check", quiet=True)
        run(python, TESTS / "smoke.py", quiet=True)
        return Outcome(Counts(passed=3), last_line(run(python, TESTS / "extras.py", extra).stdout))


def oldest_packages(interpreter: Path, wheel: Path) -> Outcome:
    """The wheel with the oldest packages that its extras allow."""
    with scratch_venv(interpreter) as python:
        pip(python, "--no-index", wheel)
        oldest = sorted(set(re.findall(r"^Requires-Dist: (\w+)>=([\d.]+) ;", metadata(python), re.MULTILINE)))
        pins = ["{}=={}".format(name, version) for name, version in oldest]
        found = run(python, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--only-binary", ":all:", *pins, quiet=True, check=False)
        if found.returncode != 0:
            return Outcome(Counts(skipped=1), "no wheels of {} for this interpreter".format(", ".join(pins)))
        run(python, TESTS / "extras.py", "all")
        return passed(", ".join(pins))


def metadata(python: Path) -> str:
    """What the installed wheel says about itself."""
    return run(python, "-c", "import importlib.metadata as m; print(m.metadata('velaria'))", quiet=True).stdout


def other_interpreter(interpreter: Path, wheel: Path) -> Outcome:
    """The same wheel on another CPython."""
    with scratch_venv(interpreter) as python:
        pip(python, "--no-deps", "--no-index", wheel)
        return passed(last_line(run(python, TESTS / "smoke.py").stdout))

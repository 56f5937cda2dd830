"""Steps that run programs with the installed wheel: examples, command line, helper scripts, corpus."""

import json
import os
import re
from pathlib import Path
from typing import Iterator, Tuple

from matrix import Counts, Failure, Outcome
from packaging_steps import cargo_target, passed
from shell import ROOT, Word, last_line, run
from targets import BENCHMARKS, NEEDS_SERVICE


def example(python: Path, program: Path, *arguments: str) -> Outcome:
    """A program ends well, and says nothing on stderr."""
    variable, otherwise = NEEDS_SERVICE.get(program.name, ("PATH", ""))
    if not os.environ.get(variable):
        return Outcome(Counts(skipped=1), "needs {}; {}".format(variable, otherwise))
    done = run(python, program, *arguments, cwd=ROOT, quiet=True)
    if done.stderr.strip():
        raise Failure("writes to stderr: {}".format(last_line(done.stderr)))
    return passed(last_line(done.stdout)[:80])


def programs() -> Iterator[Tuple[Path, Tuple[str, ...]]]:
    """Examples and benchmarks, with their arguments."""
    for program in sorted((ROOT / "pybind" / "examples").glob("*.py")):
        yield program, ()
    for name, arguments in BENCHMARKS.items():
        yield ROOT / "pybind" / "benchmarks" / name, arguments


def command_line(*command: Word) -> Outcome:
    """The command line as a new user would use it."""
    line = last_line(run(ROOT / "scripts" / "cli_smoke.sh", *command).stdout)
    found = re.search(r"(\d+) checks passed", line)
    if not found:
        raise Failure("no count in: {}".format(line))
    return Outcome(Counts(passed=int(found[1])))


def build_executable(binary: Path) -> Outcome:
    """The command line as one file."""
    run(ROOT / "scripts" / "build_py_cli_executable.sh", binary.parent, binary.name, quiet=True)
    return passed("{:.1f} MB".format(binary.stat().st_size / 1e6))


def skill_scripts(python: Path, binary: Path) -> Outcome:
    """The helper scripts for people and agents answer questions about files."""
    smoke = ROOT / "pybind" / "skills" / "velaria_python_local" / "scripts" / "smoke.sh"
    said = run(smoke, env={"VELARIA_CLI": str(binary), "VELARIA_PYTHON_BIN": str(python)}).stdout
    return passed(last_line(said))


def corpus(python: Path, results: Path) -> Outcome:
    """The records that every surface answers, through the wheel."""
    run("cargo", "build", "--release", "--locked", "--quiet", "-p", "velaria-conformance", cwd=ROOT)
    report = results / "corpus-python.json"
    binary = cargo_target() / "release" / "velaria-conformance"
    done = run(binary, "run", "--suite", "core", "--surface", "python", "--python", python, "--json", report, cwd=ROOT, check=False)
    if not report.exists():
        raise Failure("velaria-conformance ended with exit code {}".format(done.returncode))
    totals = json.loads(report.read_text(encoding="utf-8"))["totals"]
    return Outcome(Counts(totals["passed"], totals["failed"], totals["skipped"]))

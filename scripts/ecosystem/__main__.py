"""The Python regression; ``scripts/run_python_ecosystem_regression.sh`` starts it.

Needs nothing but the standard library of Python 3.9 and, unless ``--wheel`` names a built wheel, what a build needs.
"""

import argparse
import os
import platform
import sys
import tempfile
from pathlib import Path
from typing import Callable, Dict, List, Optional

import environment_steps
import packaging_steps
import program_steps
import test_steps
from matrix import Matrix, Outcome
from packaging_steps import passed
from shell import VENV, other_interpreters
from targets import EXTRAS

# In the order in which they run.
GROUPS = {
    "wheel": "extension, wheel, native wheel check, abi3audit, auditwheel, list of parts",
    "sdist": "source distribution",
    "environments": "the wheel alone, and with each extra",
    "tests": "the grouped test targets, with every optional package",
    "examples": "examples and benchmarks end well",
    "cli": "the installed entry point, python -m velaria, the single-file binary, the helper scripts",
    "corpus": "the shared corpus through the wheel",
    "uv": "the wheel by uv; with --full also uv sync, uv run and uv build of the project",
    "interpreters": "the smoke program on every other CPython from 3.9 on",
}


def arguments(argv: Optional[List[str]] = None) -> argparse.Namespace:
    groups = "\n".join("  {:<13} {}".format(name, about) for name, about in GROUPS.items())
    parser = argparse.ArgumentParser(
        prog="run_python_ecosystem_regression.sh",
        description="The Python regression, as a table and JSON. Exits with 1 if anything failed.",
        epilog="groups:\n" + groups,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--wheel", type=Path, help="test this wheel instead of building one")
    parser.add_argument("--only", type=names, default=list(GROUPS), metavar="GROUP,...", help="run these groups only")
    parser.add_argument("--skip", type=names, default=[], metavar="GROUP,...", help="leave these groups out")
    parser.add_argument("--full", action="store_true", help="also build from the source distribution and by uv: many minutes")
    parser.add_argument("--results", type=Path, metavar="FOLDER", help="keep the reports of all runners here")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the matrix here as well (always: matrix.json of the results)")
    return parser.parse_args(argv)


def names(text: str) -> List[str]:
    chosen = [name.strip() for name in text.split(",") if name.strip()]
    unknown = [name for name in chosen if name not in GROUPS]
    if unknown or not chosen:
        raise argparse.ArgumentTypeError("unknown group {}: choose from {}".format(", ".join(unknown), ", ".join(GROUPS)))
    return chosen


class Regression:
    """The groups over one wheel."""

    def __init__(self, python: Path, results: Path, options: argparse.Namespace) -> None:
        self.python = python
        self.results = results
        self.full: bool = options.full
        self.chosen = [name for name in GROUPS if name in options.only and name not in options.skip]
        self.matrix = Matrix()
        self.given: Optional[Path] = options.wheel.resolve() if options.wheel else None
        self.wheel = self.given or Path()
        self.is_installed = False

    def run(self) -> None:
        """Runs the groups. Without a wheel there is nothing to go on with."""
        if self.given is None and not self.matrix.run("wheel", "extension and wheel", self.build):
            return
        groups: Dict[str, Callable[[], None]] = {
            "wheel": self.check_wheel,
            "sdist": self.check_sdist,
            "environments": self.check_environments,
            "tests": self.check_targets,
            "examples": self.check_examples,
            "cli": self.check_command_lines,
            "corpus": self.check_corpus,
            "uv": self.check_uv,
            "interpreters": self.check_interpreters,
        }
        for name in self.chosen:
            groups[name]()

    def build(self) -> Outcome:
        self.wheel = packaging_steps.build_wheel()
        return passed(self.wheel.name)

    def check_wheel(self) -> None:
        self.matrix.run("wheel", "native wheel", packaging_steps.check_wheel, self.python, self.wheel)
        self.matrix.run("wheel", "abi3audit", packaging_steps.audit_abi3, self.python, self.wheel)
        self.matrix.run("wheel", "auditwheel", packaging_steps.audit_manylinux, self.python, self.wheel)
        self.matrix.run("wheel", "list of parts", packaging_steps.sbom, self.python)

    def check_sdist(self) -> None:
        self.matrix.run("sdist", "source distribution", packaging_steps.sdist, self.python, self.full)

    def check_environments(self) -> None:
        plain = environment_steps.plain_environment
        self.matrix.run("environments", "plain", plain, self.python, self.wheel, self.results)
        for extra in EXTRAS:
            self.matrix.run("environments", extra, environment_steps.extra_environment, self.python, self.wheel, extra)

        self.matrix.run("environments", "oldest", environment_steps.oldest_packages, self.python, self.wheel)

    def check_targets(self) -> None:
        if not self.install():
            return
        for name, files in test_steps.test_files().items():
            report = self.results / "pytest-target-{}.xml".format(name.replace(" ", "-"))
            self.matrix.run("tests", name, test_steps.pytest, self.installed, files, report)
        self.matrix.run("tests", "of these: original", test_steps.original_cases, self.results)

    def check_examples(self) -> None:
        if not self.install():
            return
        for program, options in program_steps.programs():
            self.matrix.run("examples", program.name, program_steps.example, self.installed, program, *options)

    def check_command_lines(self) -> None:
        if not self.install():
            return
        entry = self.installed.with_name("velaria-cli")
        check = program_steps.command_line
        self.matrix.run("cli", "entry point", check, entry)
        with tempfile.TemporaryDirectory() as folder:
            binary = Path(folder) / "velaria-cli"
            if self.matrix.run("cli", "build single file", program_steps.build_executable, binary):
                module = (self.installed, "-m", "velaria")
                self.matrix.run("cli", "single file against python -m velaria", check, binary, "--against", *module)
        self.matrix.run("cli", "helper scripts", program_steps.skill_scripts, self.installed, entry)

    def check_corpus(self) -> None:
        if self.install():
            self.matrix.run("corpus", "suite core", program_steps.corpus, self.installed, self.results)

    def check_uv(self) -> None:
        self.matrix.run("uv", "wheel", packaging_steps.uv_install, self.python, self.wheel)
        if self.full:
            self.matrix.run("uv", "project", packaging_steps.uv_project, self.python)

    def check_interpreters(self) -> None:
        for version, other in other_interpreters(self.python):
            self.matrix.run("interpreters", version, environment_steps.other_interpreter, other, self.wheel)

    @property
    def installed(self) -> Path:
        return VENV / "bin" / "python"

    def install(self) -> bool:
        """Installs wheel and test packages, once."""
        if not self.is_installed:
            install = environment_steps.install_everything
            self.is_installed = self.matrix.run("tests", "install", install, self.python, self.wheel)
        return self.is_installed


def main(argv: Optional[List[str]] = None) -> int:
    options = arguments(argv)
    python = Path(os.environ.get("VELARIA_PYTHON_BIN") or sys.executable)
    results: Path = (options.results or Path(tempfile.mkdtemp(prefix="velaria-results-"))).resolve()
    results.mkdir(parents=True, exist_ok=True)
    test_steps.clear(results)
    regression = Regression(python, results, options)
    regression.run()
    about: Dict[str, str] = {
        "wheel": regression.wheel.name,
        "python": platform.python_version(),
        "machine": "{} {}".format(platform.system(), platform.machine()),
    }
    regression.matrix.write(results / "matrix.json", about, options.json)
    totals = regression.matrix.totals
    print("\n" + regression.matrix.table())
    print("\npython regression: {} passed, {} failed, {} skipped; matrix: {}".format(*totals, results / "matrix.json"))
    return 1 if totals.failed else 0


if __name__ == "__main__":
    sys.exit(main())

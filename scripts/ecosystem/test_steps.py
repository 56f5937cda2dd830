"""Steps that run test files, one target at a time."""

import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Dict, List, Set

from matrix import Counts, Failure, Outcome
from shell import TESTS, run
from targets import ORIGINAL_CASES, TARGETS


def pytest(python: Path, paths: List[Path], report: Path) -> Outcome:
    """Runs test files and counts their cases."""
    report.parent.mkdir(parents=True, exist_ok=True)
    # Not from `pybind`, where the sources of velaria_cli would stand in for those of the wheel.
    done = run(python, "-m", "pytest", "-q", "--continue-on-collection-errors", *paths, "--junitxml", report, cwd=TESTS, check=False)
    if not report.exists():
        raise Failure("pytest ended with exit code {} and no report".format(done.returncode))
    counts = Counts()
    for suite in ElementTree.parse(report).getroot().iter("testsuite"):
        tests, skipped = int(suite.get("tests", 0)), int(suite.get("skipped", 0))
        failed = int(suite.get("failures", 0)) + int(suite.get("errors", 0))
        counts += Counts(tests - failed - skipped, failed, skipped)
    if done.returncode not in (0, 1, 5) and not counts.failed:
        # It was interrupted, or died behind the last test.
        counts += Counts(failed=1)
    return Outcome(counts, "" if counts.failed == 0 else "see {}".format(report.name))


def test_files() -> Dict[str, List[Path]]:
    """The files of each target; every file belongs to exactly one."""
    taken: Set[Path] = set()
    files: Dict[str, List[Path]] = {}
    for target in TARGETS:
        found = [path for pattern in target.patterns for path in sorted(TESTS.glob(pattern)) if path not in taken]
        files[target.name] = list(dict.fromkeys(found))
        taken.update(found)
    return files


def original_cases(results: Path) -> Outcome:
    """The cases that were re-created from the original, counted over the reports of all targets."""
    cases: Dict[str, Counts] = {}
    for report in sorted(results.glob("pytest-target-*.xml")):
        for case in ElementTree.parse(report).getroot().iter("testcase"):
            # A file that cannot be imported has a name and no class. Parts of a case bear the name of the case.
            if "original" in str(case.get("classname")).split("."):
                name = "{}.{}".format(case.get("classname"), str(case.get("name")).split(" ")[0])
                cases[name] = worst(cases.get(name, Counts()) + outcome_of(case))
    counts = sum(cases.values(), Counts())
    broken = [name.rsplit(".", 1)[-1] for name, found in cases.items() if found.failed]
    if sum(counts) != ORIGINAL_CASES:
        raise Failure("{} cases were run, not {}".format(sum(counts), ORIGINAL_CASES))
    return Outcome(counts, ", ".join(broken), is_counted=False)


def outcome_of(case: ElementTree.Element) -> Counts:
    kinds = {child.tag for child in case}
    if kinds & {"failure", "error"}:
        return Counts(failed=1)
    return Counts(skipped=1) if "skipped" in kinds else Counts(passed=1)


def worst(counts: Counts) -> Counts:
    """One case for all of its parts."""
    if counts.failed:
        return Counts(failed=1)
    return Counts(passed=1) if counts.passed else Counts(skipped=1)


def clear(results: Path) -> None:
    """Reports of an earlier run would be counted again."""
    for pattern in ("pytest-*.xml", "corpus-*.json"):
        for path in results.glob(pattern):
            path.unlink()

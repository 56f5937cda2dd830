"""Sums up what the test script ran, from the results that each runner wrote, and prints one closing line.

Usage: summary.py FOLDER EXIT_STATUS
"""

import json
import re
import sys
from pathlib import Path
from typing import Dict, Iterator, Tuple

Counts = Tuple[int, int, int]


def cargo(folder: Path) -> Iterator[Counts]:
    path = folder / "cargo.txt"
    if path.exists():
        for found in re.finditer(r"test result: .*?(\d+) passed; (\d+) failed; (\d+) ignored", path.read_text()):
            yield int(found[1]), int(found[2]), int(found[3])


def python(folder: Path) -> Iterator[Counts]:
    path = folder / "matrix.json"
    if path.exists():
        totals = json.loads(path.read_text())["totals"]
        yield totals["passed"], totals["failed"], totals["skipped"]


def conformance(folder: Path) -> Iterator[Counts]:
    for name in ("conformance.json", "replay.json"):
        path = folder / name
        if path.exists():
            totals = json.loads(path.read_text())["totals"]
            yield totals["passed"], totals["failed"], totals["skipped"]


def kills(folder: Path) -> Iterator[Counts]:
    path = folder / "kills.txt"
    if path.exists():
        for line in path.read_text().splitlines():
            trials = re.search(r"(\d+) trials", line)
            broken = any(int(count) for count in re.findall(r"(\d+) (?:lost|duplicated|wrong|torn|back|left over)", line))
            if trials:
                yield (0, int(trials[1]), 0) if broken else (int(trials[1]), 0, 0)


def tracked_runs(folder: Path) -> Iterator[Counts]:
    path = folder / "runs.txt"
    if path.exists():
        found = re.search(r"(\d+) runs, .* (\d+) broken", path.read_text())
        if found:
            yield int(found[1]) - int(found[2]), int(found[2]), 0


def smoke(folder: Path) -> Iterator[Counts]:
    for path in folder.glob("smoke-*.txt"):
        for found in re.finditer(r"(\d+) checks passed", path.read_text()):
            yield int(found[1]), 0, 0


def main(folder: Path, status: int) -> None:
    runners: Dict[str, Iterator[Counts]] = {
        "rust tests": cargo(folder),
        "python regression": python(folder),
        "conformance records": conformance(folder),
        "kill trials": kills(folder),
        "tracked runs": tracked_runs(folder),
        "smoke of the binary": smoke(folder),
    }
    total = [0, 0, 0]
    for name, results in runners.items():
        counts = [sum(column) for column in zip((0, 0, 0), *results)]
        total = [left + right for left, right in zip(total, counts)]
        print(f"{name}: {counts[0]} passed, {counts[1]} failed, {counts[2]} skipped")
    if status and not total[1]:
        # A step that ended early is a failure even if nothing could be counted.
        total[1] = 1
    print(f"{total[0]} passed, {total[1]} failed, {total[2]} skipped")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))

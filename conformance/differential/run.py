"""Runs the differential suite: `python run.py --queries 50000 --partitions 50000 --seed 1`.

Work is cut into blocks: one database and fifty queries, made from the seed and the number of the block alone. Blocks run
in a child process, so that a crash or a hang is a finding and not the end. Progress is written after every block;
`--resume` goes on where an earlier run with the same seed and folder stopped.
"""

import argparse
import json
import select
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any, Dict, List, Optional

import compare
import oracle
from cases import BLOCK, Finding, run_block

HANG_SECONDS = 60
MODES = ("queries", "partitions", "styles")


class Worker:
    """A child that runs blocks; `current` is the query that it was at when it died."""

    def __init__(self) -> None:
        self.process: Optional[subprocess.Popen] = None  # type: ignore[type-arg]
        self.current = 0

    def run(self, mode: str, seed: int, block: int, first: int) -> Dict[str, Any]:
        """The report of a block from its query `first` on, or why there is none."""
        if self.process is None:
            self.process = subprocess.Popen(
                [sys.executable, __file__, "--worker"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8"
            )
        assert self.process.stdin is not None and self.process.stdout is not None
        self.current = first
        self.process.stdin.write(json.dumps([mode, seed, block, first]) + "\n")
        self.process.stdin.flush()
        while True:
            if not select.select([self.process.stdout], [], [], HANG_SECONDS)[0]:
                return self.gone("hang of more than {} s".format(HANG_SECONDS))
            line = self.process.stdout.readline()
            if not line:
                return self.gone("crash with exit code {}".format(self.process.wait()))
            message = json.loads(line)
            if isinstance(message, int):
                self.current = message
            else:
                return dict(message)

    def gone(self, how: str) -> Dict[str, Any]:
        assert self.process is not None
        self.process.kill()
        self.process.wait()
        self.process = None
        return {"died": how}

    def close(self) -> None:
        if self.process is not None and self.process.stdin is not None:
            self.process.stdin.close()
            self.process.wait()


class Report:
    """Counts of one mode, and a file for each finding."""

    def __init__(self, mode: str, seed: int, folder: Path, resume: bool):
        self.mode, self.seed, self.folder = mode, seed, folder
        self.state = folder / "progress-{}-{}.json".format(mode, seed)
        self.counts: Counter = Counter()  # type: ignore[type-arg]
        self.next_block = 0
        if resume and self.state.exists():
            saved = json.loads(self.state.read_text(encoding="utf-8"))
            self.counts, self.next_block = Counter(saved["counts"]), saved["next_block"]

    def finding(self, block: int, finding: Finding) -> None:
        name = "{}-{}-{}-{}.sql".format(self.mode, self.seed, block, finding["index"])
        (self.folder / name).write_text(finding["text"], encoding="utf-8")
        print("unexplained: {}: {}".format(name, finding["summary"]), flush=True)

    def died(self, block: int, index: int, how: str) -> None:
        self.counts.update(["asked", "unexplained"])
        text = "-- {} of the engine's process.\n-- Reproduce: run_block({!r}, {}, {}, {})\n".format(how, self.mode, self.seed, block, index)
        self.finding(block, {"index": index, "summary": how, "text": text})

    def save(self, block: int) -> None:
        self.next_block = block + 1
        self.state.write_text(json.dumps({"counts": self.counts, "next_block": self.next_block}), encoding="utf-8")

    def closing(self) -> str:
        rules = sorted((name[5:], n) for name, n in self.counts.items() if name.startswith("rule:"))
        refused = sorted((name[8:], n) for name, n in self.counts.items() if name.startswith("refused:"))
        parts = ["{} {}".format(self.counts["asked"], self.mode), "{} agreed".format(self.counts["agreed"])]
        parts.append("{} documented differences{}".format(self.counts["documented"], listed(rules)))
        parts.append("{} unjudged{}".format(self.counts["unjudged"], listed(refused)))
        return ", ".join(parts + ["{} unexplained".format(self.counts["unexplained"])])


def listed(pairs: List[Any]) -> str:
    return " ({})".format(", ".join("{} {}".format(name, n) for name, n in pairs)) if pairs else ""


def run_mode(report: Report, wanted: int) -> None:
    worker = Worker()
    for block in range(report.next_block, (wanted + BLOCK - 1) // BLOCK):
        first = 0
        while first < BLOCK:
            answer = worker.run(report.mode, report.seed, block, first)
            if "died" not in answer:
                report.counts.update(answer["counts"])
                for finding in answer["findings"]:
                    report.finding(block, finding)
                break
            # What came before in this block is counted again from the start of the next run of it.
            report.died(block, worker.current, answer["died"])
            first = worker.current + 1
        report.save(block)
    worker.close()


def serve() -> None:
    """The child: one block for every line of input."""
    duckdb = oracle.has_duckdb()
    for line in sys.stdin:
        mode, seed, block, first = json.loads(line)
        counts, findings = run_block(mode, seed, block, first, duckdb, lambda index: print(index, flush=True))
        print(json.dumps({"counts": counts, "findings": findings}), flush=True)


def main(argv: Optional[List[str]] = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    for mode in MODES:
        parser.add_argument("--" + mode, type=int, default=0, metavar="N")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--results", type=Path, default=Path(__file__).with_name("results"), metavar="FOLDER")
    parser.add_argument("--resume", action="store_true", help="go on where the last run with this seed stopped")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    if options.worker:
        serve()
        return 0
    options.results.mkdir(parents=True, exist_ok=True)
    if not oracle.has_duckdb():
        print("duckdb is not installed: portable databases are compared with SQLite only")
    print("{} documented rules".format(len(compare.documented())))
    reports = []
    for mode in MODES:
        if getattr(options, mode):
            reports.append(Report(mode, options.seed, options.results, options.resume))
            run_mode(reports[-1], getattr(options, mode))
    for report in reports:
        print(report.closing())
    return 1 if any(report.counts["unexplained"] for report in reports) else 0


if __name__ == "__main__":
    sys.exit(main())

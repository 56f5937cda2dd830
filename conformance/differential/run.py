"""Runs the differential suite: `python run.py --queries 50000 --partitions 50000 --seed 1`.

Work is cut into blocks: one database and fifty queries, made from the seed and the number of the block alone. Blocks run
in a child process, so that a crash or a hang is a finding and not the end. Progress is written after every block;
`--resume` goes on where an earlier run with the same seed and folder stopped.
"""

import argparse
import json
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from threading import Timer
from typing import Any, Iterator, List, Optional

import compare
import oracle
from cases import BLOCK, Channel, Finding, run_block

HANG_SECONDS = 60
CHILD = [sys.executable, __file__, "--worker"]
MODES = ("queries", "partitions", "changes", "styles")


class Worker:
    """A child that runs blocks and says before each case which one it is at."""

    def __init__(self) -> None:
        self.process: Optional[subprocess.Popen] = None  # type: ignore[type-arg]

    def run(self, mode: str, seed: int, block: int, first: int) -> Iterator[Any]:
        """The messages of a block from its case `first` on: case numbers and outcomes, then None or why it died."""
        if self.process is None:
            self.process = subprocess.Popen(CHILD, stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8")
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(json.dumps([mode, seed, block, first]) + "\n")
        self.process.stdin.flush()
        message: Any = first
        while message is not None:
            message = self.message()
            yield message
            if isinstance(message, str):
                return

    def message(self) -> Any:
        assert self.process is not None and self.process.stdout is not None
        started = time.monotonic()
        watchdog = Timer(HANG_SECONDS, self.process.kill)
        watchdog.start()
        line = self.process.stdout.readline()
        watchdog.cancel()
        if line:
            return json.loads(line)
        hung = time.monotonic() - started >= HANG_SECONDS
        return self.gone("hang of more than {} s".format(HANG_SECONDS) if hung else "crash")

    def gone(self, how: str) -> str:
        assert self.process is not None
        self.process.kill()
        code = self.process.wait()
        self.process = None
        return "{}, exit code {}".format(how, code)

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
        text = "-- {}\n-- mode {}, seed {}, block {}, case {}\n".format(how, self.mode, self.seed, block, index)
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
        first: Optional[int] = 0
        while first is not None and first < BLOCK:
            first = run_rest(worker, report, block, first)
        report.save(block)
    worker.close()


def run_rest(worker: Worker, report: Report, block: int, first: int) -> Optional[int]:
    """Runs a block from a case on; the case to go on with if the child died."""
    current = first
    for message in worker.run(report.mode, report.seed, block, first):
        if isinstance(message, int):
            current = message
        elif isinstance(message, str):
            report.died(block, current, message)
            return current + 1
        elif message is not None:
            report.counts.update(["asked"] + message["kinds"])
            if message["finding"] is not None:
                report.finding(block, message["finding"])
    return None


def serve() -> None:
    """The child: one block for every line of input."""
    duckdb = oracle.has_duckdb()
    channel = Channel(say, lambda kinds, finding: say({"kinds": kinds, "finding": finding}))
    for line in sys.stdin:
        mode, seed, block, first = json.loads(line)
        run_block(mode, seed, block, first, duckdb, channel)
        say(None)


def say(message: Any) -> None:
    print(json.dumps(message), flush=True)


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

"""The matrix: one row for each thing that was run, as a table and as JSON."""

import json
import time
from pathlib import Path
from typing import Any, Callable, Dict, List, NamedTuple, Optional


class Counts(NamedTuple):
    """How many checks of a row passed, failed and were skipped."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0

    def __add__(self, other: object) -> "Counts":
        if not isinstance(other, Counts):
            return NotImplemented
        return Counts(self.passed + other.passed, self.failed + other.failed, self.skipped + other.skipped)


class Outcome(NamedTuple):
    """What came of a step."""

    counts: Counts
    detail: str = ""
    is_counted: bool = True
    """Off for a second look at checks that other rows have counted."""


class Row(NamedTuple):
    """One line of the matrix."""

    group: str
    name: str
    counts: Counts
    seconds: float
    detail: str
    is_counted: bool

    @property
    def status(self) -> str:
        if self.counts.failed:
            return "failed"
        return "passed" if self.counts.passed else "skipped"


class Failure(Exception):
    """A step that could not do its work; the text says why, in one line."""


class Matrix:
    """Rows in the order in which they were run."""

    def __init__(self) -> None:
        self.rows: List[Row] = []

    def run(self, group: str, name: str, step: Callable[..., Outcome], *arguments: Any) -> bool:
        """Runs a step with its arguments. A failure is a row as well: the steps behind it still run."""
        print("== {}: {}".format(group, name), flush=True)
        started = time.monotonic()
        try:
            outcome = step(*arguments)
        except Failure as failure:
            outcome = Outcome(Counts(failed=1), str(failure))
            print("failed: {}".format(failure), flush=True)
        row = Row(group, name, outcome.counts, time.monotonic() - started, outcome.detail, outcome.is_counted)
        self.rows.append(row)
        return row.status != "failed"

    @property
    def totals(self) -> Counts:
        total = Counts()
        for row in self.rows:
            if row.is_counted:
                total += row.counts
        return total

    def table(self) -> str:
        """The rows under each other, then their sums."""
        lines = [("group", "name", "status", "passed", "failed", "skipped", "seconds", "detail")]
        for row in self.rows:
            counts = [str(count) for count in row.counts]
            lines.append((row.group, row.name, row.status, counts[0], counts[1], counts[2], "%.1f" % row.seconds, row.detail))
        widths = [max(len(line[column]) for line in lines) for column in range(7)]
        right = (3, 4, 5, 6)
        text = []
        for line in lines:
            cells = [line[c].rjust(w) if c in right else line[c].ljust(w) for c, w in enumerate(widths)]
            text.append("  ".join([*cells, line[7]]).rstrip())
        text.insert(1, "-" * max(len(line) for line in text))
        return "\n".join(text)

    def report(self, about: Dict[str, str]) -> Dict[str, object]:
        """The rows as JSON values; ``about`` says what was tested."""
        rows = [
            {
                "group": row.group,
                "name": row.name,
                "status": row.status,
                **row.counts._asdict(),
                "seconds": round(row.seconds, 1),
                "detail": row.detail,
            }
            for row in self.rows
        ]
        ok = all(row.status != "failed" for row in self.rows)
        return {"ok": ok, **about, "totals": self.totals._asdict(), "rows": rows}

    def write(self, path: Path, about: Dict[str, str], copy: Optional[Path] = None) -> None:
        """Writes the report, and the same to a second place if there is one."""
        text = json.dumps(self.report(about), indent=2, ensure_ascii=False) + "\n"
        for target in [path] if copy is None else [path, copy]:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, encoding="utf-8")

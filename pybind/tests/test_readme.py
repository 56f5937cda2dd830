"""The examples that readers copy: every Python block of the READMEs, and every file in ``examples``."""

import json
import re
from pathlib import Path
from typing import Iterator

import pytest

import velaria
from support import ROOT, need, run

READMES = [ROOT / "README.md", ROOT / "pybind" / "README.md"]


def blocks() -> Iterator[object]:
    for readme in READMES:
        if readme.is_file():
            found = re.findall(r"^```python\n(.*?)^```$", readme.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
            for number, code in enumerate(found, 1):
                yield pytest.param(code, id="{} {}".format(readme.relative_to(ROOT).as_posix(), number))


@pytest.mark.parametrize("code", blocks())
def test_python_block_runs(code: str) -> None:
    for package in ("pyarrow", "pandas", "polars", "numpy", "duckdb"):
        if re.search(r"^\s*(import|from) {}\b".format(package), code, re.MULTILINE):
            need(package)
    # From the root of the repository, where the paths of the examples start.
    done = run(["-c", code], cwd=ROOT)
    assert (done.returncode, done.stderr) == (0, "")


def test_docstring_of_the_package_is_true() -> None:
    import doctest

    assert doctest.testmod(velaria) == (0, 2)


def example(name: str, *arguments: str) -> str:
    done = run([str(ROOT / "pybind" / "examples" / name), *arguments])
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_batch_sql_example_finds_alice() -> None:
    assert json.loads(example("batch_sql.py")) == {"schema": ["name", "total"], "rows": [["alice", 25]]}


def test_csv_report_example_counts_every_flight(tmp_path: Path) -> None:
    report = example("csv_report.py")
    assert "│ UA      ┆      73 ┆" in report
    assert report.endswith("14 rows\n")
    small = tmp_path / "t.csv"
    small.write_text("carrier,dep_time,dep_delay,distance\nXX,1,4,100\nXX,,,100\n")
    assert "│ XX      ┆       2 ┆         1 ┆                4.0 ┆   200 │" in example("csv_report.py", str(small))

"""The programs in ``examples`` and the docstring of the package print what they promise."""

import doctest
import json
from pathlib import Path

import velaria
from support import ROOT, run


def test_docstring_of_the_package_is_true() -> None:
    assert doctest.testmod(velaria).failed == 0


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


def test_vector_search_example_finds_the_east() -> None:
    hits, close, *explanation = example("demo_vector_search.py").splitlines()
    found = json.loads(hits)
    assert found["schema"] == ["row_id", "score", "name"]
    assert [(row[0], row[2]) for row in found["rows"]] == [(0, "east"), (1, "mostly east"), (2, "north")]
    assert json.loads(close) == ["mostly east"]
    assert explanation == [
        "mode=exact-scan",
        "metric=cosine",
        "dimension=3",
        "top_k=3",
        "candidate_rows=4",
        "acceleration=flat-buffer+heap-topk",
        "filter_pushdown=false",
    ]

"""The programs in ``examples`` and ``benchmarks`` print what they promise."""

import json
import re
from pathlib import Path

from support import ROOT, need, run


def example(name: str, *arguments: str, folder: str = "examples") -> str:
    done = run([str(ROOT / "pybind" / folder / name), *arguments])
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_batch_sql_example_finds_alice() -> None:
    assert json.loads(example("demo_batch_sql_arrow.py")) == {"schema": ["name", "total"], "rows": [["alice", 25]]}


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


def test_stream_sql_example_writes_the_only_total_above_fifteen() -> None:
    progress, written = map(json.loads, example("demo_stream_sql.py").splitlines())
    assert (progress["status"], progress["batches_processed"], progress["last_source_offset"]) == ("stopped", 1, "1")
    assert written == {"schema": ["key", "value_sum"], "roundtrip_rows": [["userZ", 99]]}


def test_ingestion_benchmark_takes_every_way() -> None:
    need("pyarrow")
    said = example("bench_arrow_ingestion.py", "--batches", "2", "--rows", "64", "--rounds", "2", folder="benchmarks")
    assert re.findall(r"^\[bench\] source=(\S+) round=(\d) rows=128 ", said, re.MULTILINE) == [
        (way, number) for way in ("table", "reader", "c-stream") for number in ("1", "2")
    ]
    assert re.findall(r"^\[bench-summary\] source=(\S+) ", said, re.MULTILINE) == ["table", "reader", "c-stream"]

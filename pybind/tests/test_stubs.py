"""The type stubs are those of the built module, and typed programs pass with them."""

import sys

import pytest

from support import ROOT, run


def mypy() -> None:
    pytest.importorskip("mypy", reason="needs the package mypy")


@pytest.mark.skipif(sys.version_info < (3, 10), reason="stubtest takes the functions of typing in Python 3.9 for missing types")
def test_stubs_describe_the_built_module() -> None:
    mypy()
    done = run(["-m", "mypy.stubtest", "velaria"], cwd=ROOT / "pybind" / "tests")
    assert done.returncode == 0, done.stdout + done.stderr


def test_examples_are_typed_strictly() -> None:
    mypy()
    examples = sorted(str(path) for folder in ("examples", "benchmarks") for path in (ROOT / "pybind" / folder).glob("*.py"))
    assert examples
    done = run(["-m", "mypy", "--strict", "--python-executable", sys.executable, *examples], cwd=ROOT / "pybind" / "examples")
    assert done.returncode == 0, done.stdout + done.stderr


PROGRAM = """
from pathlib import Path
import velaria

class Stream:
    def __arrow_c_stream__(self) -> object: ...

session = velaria.Session()
frame: velaria.DataFrame = session.read_csv(Path("t.csv"), delimiter=";")
session.create_temp_view("t", frame)
for accepted in (session.create_dataframe_from_arrow(Stream()), session.create_dataframe_from_arrow({"a": [1]})):
    accepted.show(max_rows=3)
names: list[str] = frame.columns + frame.to_rows()["schema"]
one: velaria.DataFrame = session.vector_search("t", "v", (1, 2.5), top_k=3, columns=["a"])
many: velaria.DataFrame = session.vector_search("t", "v", [[1.0, 2.5], [3.0, 4.0]], filter="a > 1")
both: velaria.DataFrame = session.fused_search("t", ["a"], "words", "v", [1.0, 2.5])
said: str = session.explain_hybrid_search("t", "v", Stream(), score_threshold=1)
rows: list[tuple[object, ...]] = frame.limit(3).fetchall()
more: velaria.Expression = (velaria.col("a") > 1) & ~velaria.fn.upper(velaria.col("s")).like("a%") | (1 == velaria.col("b"))
made: velaria.DataFrame = frame.filter(more, "a > 1").with_columns(b=more).aggregate(velaria.fn.count(), by=["a", more]).order("a")
both_sides: velaria.DataFrame = made.join(frame, "a", suffix="_r").union(frame).select("*", velaria.when(more, 1).otherwise(None))
try:
    session.sql("SELECT 1")
except velaria.Error as error:
    code: "str | None" = error.code
"""

WRONG = """
import velaria
session = velaria.Session()
session.create_dataframe_from_arrow("text")
session.create_temp_view("t", 3)
session.sql(b"SELECT 1")
session.sql("SELECT 1").limit("3")
session.vector_search("t", "v", 3)
session.vector_search("t", "v", [1.0], 5, "l2", "a > 1")
session.table("t").order(3)
session.table("t").join("other", "a")
"""


@pytest.mark.parametrize(("program", "mistakes"), [(PROGRAM, 0), (WRONG, 8)], ids=["right", "wrong"])
def test_type_checker_tells_right_from_wrong(tmp_path: object, program: str, mistakes: int) -> None:
    mypy()
    done = run(["-m", "mypy", "--strict", "--no-error-summary", "--python-executable", sys.executable, "-c", program], cwd=ROOT / "pybind" / "tests")
    assert done.stdout.count("error:") == mistakes, done.stdout

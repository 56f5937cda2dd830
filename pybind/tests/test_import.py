"""The package as it is imported: what it loads, what it exports, and what a fork does to it."""

import os
import re
from pathlib import Path

import pytest

import velaria
from support import ROOT, run, run_code
from velaria import _velaria, errors

STREAMS = ("StreamingDataFrame", "StreamingQuery", "RealtimeStreamSource", "RealtimeStreamSink", "Emission")

# Native classes that only the threads of a stream query see.
OF_THREADS = ("Inlet", "Held", "Outlet", "Watch")
BITABLE = ("BitableConnection", "BitableTable", "BitablePages")

# Native names that the package offers in another form, and where.
WRAPPED = {
    "call": "velaria.functions",
    "cli_act": "velaria_cli",
    "cli_main": "velaria.__main__.main",
    "cli_program": "velaria.__main__.entry_point",
    "Workspace": "velaria.workspace",
    "WorkspaceIndex": "velaria.workspace.ArtifactIndex",
    "BitableConnection": "velaria.bitable.BitableClient",
    "BitableTable": "velaria.bitable.BitableClient",
    "BitablePages": "velaria.bitable.BitableClient",
}


def test_import_loads_no_optional_package() -> None:
    loaded = run_code("import sys, velaria; print(*sorted(sys.modules))").split()
    assert "velaria._velaria" in loaded
    assert not {"numpy", "pandas", "polars", "pyarrow", "duckdb"}.intersection(loaded)
    # They cost more than the rest of the package.
    assert not {"asyncio", "logging", "velaria.dbapi", "velaria.notebook", "velaria.progress"}.intersection(loaded)


def test_queries_load_no_optional_package() -> None:
    code = """
import sys, velaria
session = velaria.Session()
session.create_temp_view("t", session.create_dataframe_from_arrow({"a": [1, 2]}))
frame = session.sql("SELECT a, DATE '2026-01-02' AS d FROM t")
frame.fetchall(), frame.show(), frame._repr_html_(), frame.explain()
print(*{"numpy", "pandas", "polars", "pyarrow"}.intersection(sys.modules), file=sys.stderr)
"""
    done = run(["-c", code])
    assert (done.returncode, done.stderr) == (0, "\n")


def test_nothing_is_printed_at_import() -> None:
    assert run_code("import velaria") == ""


def test_every_public_native_name_is_exported() -> None:
    native = {name for name in dir(_velaria) if not name.startswith("_")}
    assert native - set(WRAPPED) <= set(velaria.__all__)
    for name in native - set(WRAPPED):
        assert getattr(velaria, name) is getattr(_velaria, name)


def test_names_of_all_exist() -> None:
    assert len(set(velaria.__all__)) == len(velaria.__all__)
    assert all(hasattr(velaria, name) for name in velaria.__all__)
    assert all(hasattr(errors, name) for name in errors.__all__)


def test_types_name_the_package_as_their_module() -> None:
    for name in ("Session", "DataFrame", "Expression", "SortKey", "Schema", *STREAMS):
        assert repr(getattr(velaria, name)) == "<class 'velaria.{}'>".format(name)


def test_one_version_everywhere() -> None:
    assert velaria.__version__ == _velaria.__version__
    declared = re.search(r'^version = "(.*)"$', (ROOT / "pybind" / "pyproject.toml").read_text(), re.MULTILINE)
    assert declared and declared.group(1) == velaria.__version__


def test_every_native_class_is_frozen() -> None:
    # `frozen` in the source means: no lock to take, and no attribute to set.
    sources = list((ROOT / "pybind" / "src").rglob("*.rs"))
    assert sources
    classes = [found for path in sources for found in re.findall(r"#\[pyclass(.*?)\]", path.read_text(encoding="utf-8"))]
    # There are more that only the package sees.
    assert len(classes) > len({"Session", "DataFrame", "Schema", *STREAMS})
    assert all("frozen" in arguments for arguments in classes)


def test_attributes_cannot_be_set() -> None:
    session = velaria.Session()
    frame = session.sql("SELECT 1 AS a")
    for instance, name in ((session, "extra"), (frame, "extra"), (frame, "columns"), (frame.schema, "names")):
        with pytest.raises(AttributeError):
            setattr(instance, name, 1)


def test_native_classes_cannot_be_subclassed() -> None:
    for base in (velaria.Session, velaria.DataFrame, velaria.Schema):
        with pytest.raises(TypeError):
            type("Derived", (base,), {})


@pytest.mark.parametrize("arguments", [(), (1,)])
def test_frames_are_not_made_by_hand(arguments: tuple) -> None:  # type: ignore[type-arg]
    with pytest.raises(TypeError, match="^cannot create 'velaria.DataFrame' instances$"):
        velaria.DataFrame(*arguments)
    with pytest.raises(TypeError, match="cannot create 'velaria.Schema' instances"):
        velaria.Schema(*arguments)


def test_package_says_that_it_is_typed() -> None:
    folder = Path(velaria.__file__).parent
    assert (folder / "py.typed").is_file()
    assert (folder / "_velaria.pyi").is_file()


FORK = """
import os, warnings
import velaria
warnings.simplefilter("ignore", DeprecationWarning)
session = velaria.Session()
if {use_before}:
    session.sql("SELECT 1").fetchall()
child = os.fork()
if child == 0:
    try:
        print(session.sql("SELECT 2 AS a").fetchall(), flush=True)
    except velaria.Error as error:
        print(error.code, isinstance(error, velaria.errors.InterfaceError), error.hint, flush=True)
    os._exit(0)
os.waitpid(child, 0)
print(session.sql("SELECT 3 AS a").fetchall())
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_forked_child_gets_a_clear_error_and_its_parent_goes_on() -> None:
    child, parent = run_code(FORK.format(use_before=True)).splitlines()
    assert child.startswith("VEL-7002 True ")
    assert "spawn" in child
    assert parent == "[(3,)]"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_child_forked_before_the_first_query_works() -> None:
    assert run_code(FORK.format(use_before=False)).splitlines() == ["[(2,)]", "[(3,)]"]


def test_spawned_processes_work() -> None:
    code = """
import multiprocessing, velaria
if __name__ == "__main__":
    velaria.Session().sql("SELECT 1").fetchall()
    context = multiprocessing.get_context("spawn")
    with context.Pool(1) as pool:
        print(pool.apply(eval, ("__import__('velaria').Session().sql('SELECT 4 AS a').fetchall()",)))
"""
    assert run_code(code) == "[(4,)]\n"


def test_interpreter_ends_while_a_stream_is_open() -> None:
    code = """
import velaria
frame = velaria.Session().sql("SELECT a.v FROM generate_series(1, 100000) AS a(v), generate_series(1, 100000) AS b(w)")
capsule = frame.__arrow_c_stream__()
print("done")
"""
    assert run_code(code) == "done\n"

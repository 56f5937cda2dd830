"""The magics of notebooks, by a shell of our own, and by IPython and a real kernel where they are installed."""

from pathlib import Path
from typing import Any, Dict, Tuple

import pytest

import velaria
from support import need
from velaria import errors, notebook


class Shell:
    """What the extension uses of IPython."""

    def __init__(self, **variables: Any) -> None:
        self.user_ns: Dict[str, Any] = variables
        self.magics: Dict[Tuple[str, str], Any] = {}

    def register_magic_function(self, function: Any, magic_kind: str, magic_name: str) -> None:
        self.magics[magic_kind, magic_name] = function

    def sql(self, line: str, cell: Any = None) -> Any:
        return self.magics["line_cell", "sql"](line, cell)


@pytest.fixture
def shell() -> Shell:
    made = Shell(people={"id": [1, 2], "name": ["Ada", "Bo"]}, least=1, own=velaria.Session())
    velaria.load_ipython_extension(made)
    return made


def test_there_are_two_names(shell: Shell) -> None:
    assert sorted(shell.magics) == [("line_cell", "sql"), ("line_cell", "vsql")]


def test_a_line_and_a_cell_give_a_frame(shell: Shell) -> None:
    assert shell.sql("SELECT 1 + 1 AS two").fetchall() == [(2,)]
    assert shell.sql("", "SELECT 1\n  + 1 AS two\n").fetchall() == [(2,)]
    assert shell.sql("SELECT 1 +", "1 AS two").fetchall() == [(2,)]


def test_variables_are_tables_and_values(shell: Shell) -> None:
    assert shell.sql("SELECT name FROM people WHERE id > :least").fetchall() == [("Bo",)]
    assert shell.sql("SELECT name FROM people WHERE id > $least AND name <> ':least'").fetchall() == [("Bo",)]


def test_a_result_is_kept_under_a_name(shell: Shell) -> None:
    assert shell.sql("found << SELECT name FROM people") is None
    assert shell.user_ns["found"].columns == ["name"]
    assert shell.sql("found <<", "SELECT id FROM people") is None
    assert shell.user_ns["found"].columns == ["id"]
    assert shell.sql("SELECT COUNT(*) AS n FROM found").fetchall() == [(2,)]


def test_statements_run_in_the_session_of_the_process_or_in_a_named_one(shell: Shell) -> None:
    shell.sql("CREATE TABLE IF NOT EXISTS notebook_test AS SELECT 1 AS a")
    try:
        assert velaria.sql("SELECT a FROM notebook_test").fetchall() == [(1,)]
        for option in ("--session own", "--session=own", "-s own"):
            with pytest.raises(errors.CatalogError):
                shell.sql(option + " SELECT a FROM notebook_test")
    finally:
        velaria.sql("DROP TABLE notebook_test")
    shell.sql("-s own made <<", "CREATE TABLE t AS SELECT 5 AS a")
    assert shell.user_ns["own"].sql("SELECT a FROM t").fetchall() == [(5,)]
    assert shell.sql("made << -s own SELECT a FROM t") is None
    assert shell.user_ns["made"].fetchall() == [(5,)]


def test_nothing_is_left_among_the_variables(shell: Shell) -> None:
    before = set(shell.user_ns)
    shell.sql("SELECT 1 AS a")
    assert set(shell.user_ns) - before <= {"__builtins__"}


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("", errors.UsageError),
        ("found <<", errors.UsageError),
        ("--session missing SELECT 1", errors.UsageError),
        ("--session people SELECT 1", errors.UsageError),
        ("SELECT :missing", errors.UsageError),
        ("SELECT * FROM line", errors.CatalogError),
        ("SELECT * FROM shell", errors.CatalogError),
    ],
)
def test_mistakes_are_errors(shell: Shell, line: str, kind: Any) -> None:
    with pytest.raises(kind):
        shell.sql(line)


def test_ipython_loads_and_unloads_the_extension() -> None:
    testing = need("IPython.testing.globalipapp")
    shell = testing.start_ipython() or testing.get_ipython()
    shell.run_line_magic("load_ext", "velaria")
    assert shell.run_line_magic("sql", "SELECT 1 AS a").fetchall() == [(1,)]
    shell.user_ns["people"] = {"name": ["Ada"]}
    assert shell.run_cell_magic("vsql", "", "SELECT name FROM people").fetchall() == [("Ada",)]
    assert shell.run_cell_magic("sql", "kept <<", "SELECT name FROM people") is None
    assert shell.user_ns["kept"].fetchall() == [("Ada",)]
    shell.run_line_magic("unload_ext", "velaria")
    assert "sql" not in shell.magics_manager.magics["cell"]


def test_a_notebook_shows_frames_and_no_progress(tmp_path: Path) -> None:
    nbformat, nbclient = need("nbformat"), need("nbclient")
    need("ipykernel")
    cells = [
        "import velaria\nsession = velaria.Session(progress=True)\n%load_ext velaria",
        "%%sql\nSELECT v, v * 2 AS w FROM range(100) AS r(v)",
        "%vsql SELECT 1 AS one",
        "session.sql('SELECT COUNT(*) AS n FROM range(10000) AS a(v), range(10000) AS b(w) WHERE v * w % 7 = 0').fetchall()",
    ]
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    nbclient.NotebookClient(book, timeout=120, kernel_name="python3").execute()
    outputs = [cell["outputs"] for cell in book.cells]
    assert outputs[0] == []
    assert "<table" in outputs[1][0]["data"]["text/html"] and "20" in outputs[1][0]["data"]["text/html"]
    assert len(outputs[2]) == 1
    assert [output["output_type"] for output in outputs[3]] == ["execute_result"]

"""The command line from Python: ``python -m velaria``, ``velaria_cli.main`` and the same answers as the binary."""

import contextlib
import importlib
import io
import json
import re
from pathlib import Path
from typing import Any, List, Tuple

import pytest

import velaria
from support import DATA, ROOT, expand, golden_case, golden_cases, run, snapshot
from velaria.__main__ import main


@pytest.fixture
def velaria_cli(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The module of that name, which lies beside the package here and in the wheel."""
    monkeypatch.syspath_prepend(str(ROOT / "pybind"))
    return importlib.import_module("velaria_cli")


def call(run_main: Any, *argv: str) -> Tuple[int, str, str]:
    """Exit code, standard output and standard error, both caught as Python programs do it."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = run_main(list(argv))
    return code, out.getvalue(), err.getvalue()


@pytest.fixture
def scores(tmp_path: Path) -> str:
    path = tmp_path / "scores.csv"
    path.write_text("name,score\nalice,10\nbob,22.5\nalice,15\n")
    return str(path)


TOTALS = "SELECT name, SUM(score) AS total FROM input_table GROUP BY name ORDER BY name"


def test_main_prints_json(velaria_cli: Any, scores: str) -> None:
    code, out, err = call(velaria_cli.main, "csv-sql", "--csv", scores, "--query", TOTALS)
    assert (code, err) == (0, "")
    answer = json.loads(out)
    assert answer["schema"] == ["name", "total"]
    assert answer["rows"] == [{"name": "alice", "total": 25.0}, {"name": "bob", "total": 22.5}]


def test_main_of_the_package_and_of_the_module_are_one(velaria_cli: Any) -> None:
    assert velaria_cli.main is main


def test_table_has_the_name_that_is_asked_for(scores: str) -> None:
    code, out, _ = call(main, "csv-sql", "--csv", scores, "--table", "t", "--query", "SELECT COUNT(*) AS n FROM t")
    assert (code, json.loads(out)["rows"]) == (0, [{"n": 3}])


@pytest.mark.parametrize("output", ["json", "ndjson", "csv", "markdown", "table"])
def test_every_text_format_is_written_to_a_text_stream(scores: str, output: str) -> None:
    code, out, err = call(main, "csv-sql", "--csv", scores, "--query", TOTALS, "-o", output)
    assert (code, err) == (0, "")
    assert "alice" in out and "22.5" in out


@pytest.mark.parametrize("output", ["json", "csv", "markdown"])
def test_long_text_is_not_cut_inside_a_character(output: str) -> None:
    code, out, _ = call(main, "sql", "SELECT 'x' || repeat('é\U0001f600', 20001) AS t", "-o", output)
    assert code == 0
    assert "x" + "é\U0001f600" * 20001 in out
    assert "\ufffd" not in out


def test_missing_file_is_a_json_document(tmp_path: Path) -> None:
    code, out, err = call(main, "csv-sql", "--csv", str(tmp_path / "nowhere.csv"), "--query", "SELECT 1")
    assert (code, err) == (1, "")
    answer = json.loads(out)
    assert answer["ok"] is False
    assert answer["error"] == "cannot stat source file: {}".format(tmp_path / "nowhere.csv")
    assert (answer["error_type"], answer["code"], answer["kind"]) == ("file_not_found", "VEL-6001", "file_not_found")
    assert answer["hint"]


def test_error_of_a_statement_is_that_of_the_exception(scores: str) -> None:
    code, out, err = call(main, "csv-sql", "--csv", scores, "--query", "SELECT nme FROM input_table")
    assert (code, err) == (1, "")
    answer = json.loads(out)
    session = velaria.Session()
    session.create_temp_view("input_table", session.read_csv(scores))
    with pytest.raises(velaria.Error) as raised:
        session.sql("SELECT nme FROM input_table")
    error = raised.value
    assert error.position is not None
    assert (answer["error"], answer["code"], answer["hint"]) == (error.message, error.code, error.hint)
    assert answer["position"] == error.position._asdict()


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["csv-sql", "--csv", "t.csv"], "the following arguments are required: --query"),
        (["csv-sql", "--query", "SELECT 1"], "the following arguments are required: --csv"),
        (["wibble"], "invalid choice: 'wibble'"),
        (["sql", "SELECT 1", "-o", "wibble"], "wibble"),
        (["sql", "SELECT 1", "--wibble"], "wibble"),
    ],
)
def test_wrong_usage_is_a_json_document(argv: List[str], message: str) -> None:
    code, out, err = call(main, *argv)
    assert (code, err) == (1, "")
    answer = json.loads(out)
    assert (answer["ok"], answer["error_type"]) == (False, "usage_error")
    assert message in answer["error"]


def test_help_says_what_there_is() -> None:
    done = run(["-m", "velaria", "--help"])
    assert (done.returncode, done.stderr) == (0, "")
    assert "csv-sql" in done.stdout and "velaria-cli" in done.stdout


def test_binary_formats_go_to_the_bytes_below_a_text_stream(scores: str) -> None:
    raw = io.BytesIO()
    out = io.TextIOWrapper(raw, encoding="utf-8")
    with contextlib.redirect_stdout(out):
        print("before", end="")
        assert main(["csv-sql", "--csv", scores, "--query", TOTALS, "-o", "parquet"]) == 0
    assert raw.getvalue()[:10] == b"beforePAR1"
    assert raw.getvalue()[-4:] == b"PAR1"


class Narrow(io.RawIOBase):
    """A stream that takes seven bytes at a time, as one without a buffer may."""

    def __init__(self) -> None:
        self.taken = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        part = bytes(data)[:7]
        self.taken += part
        return len(part)


def test_a_stream_that_takes_a_part_gets_the_rest(scores: str) -> None:
    narrow = Narrow()
    # Python allows a raw stream here: `python -u` has one.
    out = io.TextIOWrapper(narrow, write_through=True)  # type: ignore[arg-type]
    with contextlib.redirect_stdout(out):
        assert main(["csv-sql", "--csv", scores, "--query", "SELECT * FROM input_table"]) == 0
    assert len(json.loads(narrow.taken.decode())["rows"]) == 3


def test_binary_formats_fail_where_only_text_goes(scores: str) -> None:
    code, out, _ = call(main, "csv-sql", "--csv", scores, "--query", TOTALS, "-o", "parquet")
    assert code != 0
    assert "\ufffd" not in out


def test_module_runs_as_a_program(scores: str) -> None:
    done = run(["-m", "velaria", "csv-sql", "--csv", scores, "--query", TOTALS, "-o", "csv"])
    assert (done.returncode, done.stdout, done.stderr) == (0, "name,total\nalice,25.0\nbob,22.5\n", "")


def test_module_beside_the_package_runs_as_a_program(scores: str) -> None:
    done = run([str(ROOT / "pybind" / "velaria_cli.py"), "csv-sql", "--csv", scores, "--query", "SELECT nope FROM input_table"])
    assert (done.returncode, done.stderr) == (1, "")
    assert json.loads(done.stdout)["code"] == "VEL-2001"


def test_statement_can_come_from_standard_input() -> None:
    done = run(["-m", "velaria", "sql", "-o", "csv"], stdin="SELECT 1 AS a")
    assert (done.returncode, done.stdout, done.stderr) == (0, "a\n1\n", "")


def test_json_lines_keep_one_session() -> None:
    requests = [
        {"read_csv": str(DATA / "airlines.csv"), "table": "airlines"},
        {"sql": "SELECT nope FROM airlines"},
        {"sql": "SELECT COUNT(*) AS n FROM airlines"},
    ]
    done = run(["-m", "velaria", "sql", "--jsonl"], stdin="".join(json.dumps(request) + "\n" for request in requests))
    assert (done.returncode, done.stderr) == (0, "")
    first, second, third = [json.loads(line) for line in done.stdout.splitlines()]
    assert first["ok"] and not second["ok"]
    assert second["code"] == "VEL-2001"
    assert third == {"ok": True, "schema": ["n"], "types": ["Int64"], "rows": [[16]]}


@pytest.mark.parametrize("case", golden_cases("cli"), ids=lambda case: case.stem)
def test_golden_command_line_reads_the_same_through_python(case: Path, tmp_path: Path) -> None:
    content = golden_case(case)
    env = {"COLUMNS": "", "VELARIA_HOME": str(tmp_path)}
    done = run(["-m", "velaria", *map(expand, content["args"])], stdin=expand(content.get("stdin", "")), env=env)
    shown = "=== exit code\n{}\n=== stdout\n{}\n=== stderr\n{}\n".format(
        done.returncode, done.stdout.rstrip("\n"), done.stderr.rstrip("\n")
    )
    # The instructions that a search uses are those of the machine.
    shown = re.sub("backend=[a-z0-9]+", "backend=[machine]", shown)
    assert shown.rstrip("\n") == snapshot("cli", case).rstrip("\n")

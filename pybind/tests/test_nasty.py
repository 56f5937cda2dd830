"""The corpus of files as people have them (conformance/nasty), through the package and through the command line."""

import faulthandler
import importlib
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, Iterator, List, Tuple

import pytest

import velaria
from support import ROOT, WATCHDOG_SECONDS, run

sys.path.insert(0, str(ROOT / "conformance"))

model = importlib.import_module("nasty.model")
judge = importlib.import_module("nasty.judge")
CASES = importlib.import_module("nasty.cases").CASES

# What JSON does not hold, or a table does not tell.
NOT_IN_JSON = ("DURATION",)
LARGE_BYTES = 1 << 20


@pytest.fixture(autouse=True)
def watchdog() -> Iterator[None]:
    """A file that never comes back ends the run with the place where it hangs."""
    faulthandler.dump_traceback_later(WATCHDOG_SECONDS, exit=True)
    yield
    faulthandler.cancel_dump_traceback_later()


def named(cases: List[Any]) -> Any:
    return pytest.mark.parametrize("case", cases, ids=lambda case: case.file)


def read(session: velaria.Session, path: Path, options: Any) -> Any:
    reader = getattr(session, "read", None)
    assert reader is not None, "Session.read does not exist: the corpus cannot be read"
    return reader(str(path), **options)


def answer_of(session: velaria.Session, path: Path, options: Any) -> Any:
    """The table or the error that a file gives."""
    try:
        return found_in(session, read(session, path, options))
    except velaria.Error as error:
        return judge.Refused(error.code, str(error))


def found_in(session: velaria.Session, frame: Any) -> Any:
    types = [model.type_word(str(of)) for of in frame.schema.types]
    rows = exact(session, frame, types).to_rows()["rows"]
    return judge.Found(frame.columns, types, [[model.plain(value) for value in row] for row in rows])


def exact(session: velaria.Session, frame: Any, types: List[str]) -> Any:
    """The frame with its nanoseconds as text: Python has none, and refuses them."""
    if "TIMESTAMP(9)" not in types:
        return frame
    session.create_temp_view("nanoseconds", frame)
    items = [
        'CAST("{0}" AS TEXT) AS "{0}"'.format(name) if word == "TIMESTAMP(9)" else '"{}"'.format(name)
        for name, word in zip(frame.columns, types)
    ]
    return session.sql("SELECT {} FROM nanoseconds".format(", ".join(items)))


@named(CASES)
def test_file_gives_its_table_or_its_error(session: velaria.Session, case: Any, tmp_path: Path) -> None:
    path = case.write(tmp_path)
    problem = judge.problem(case, answer_of(session, path, case.options))
    assert problem is None, "{} ({})\n{}".format(case.file, case.about, problem)
    # Whatever the file did, the session goes on.
    assert session.sql("SELECT 1 AS one").fetchall() == [(1,)]


@named([case for case in CASES if case.rejects is not None])
def test_records_left_out_are_told_with_line_offset_and_text(
    session: velaria.Session, case: Any, tmp_path: Path
) -> None:
    path = case.write(tmp_path)
    frame = read(session, path, case.options)
    kept = frame.fetchall()
    rejects = frame.rejects()
    assert rejects.columns == ["line", "byte_offset", "column", "reason", "raw"]
    told = rejects.fetchall()
    assert [(line, raw) for line, _, _, _, raw in told] == list(case.rejects)
    for _, offset, _, reason, raw in told:
        assert case.bytes()[offset : offset + len(raw.encode())] == raw.encode()
        assert reason
    assert len(kept) == len(case.expect.rows)


@named([case for case in CASES if case.warning is not None])
def test_what_is_not_guessed_is_warned_of(session: velaria.Session, case: Any, tmp_path: Path) -> None:
    probe = getattr(session, "probe", None)
    assert probe is not None, "Session.probe does not exist: nobody can be warned"
    warnings = probe(str(case.write(tmp_path)))["warnings"]
    assert any(re.search(case.warning, warning) for warning in warnings), warnings


# -- the command line ---------------------------------------------------------------------------------------------------


def in_json(case: Any) -> bool:
    """Whether the JSON of the command line can hold the table of a case."""
    if isinstance(case.expect, model.Refusal):
        return True
    words = [word for _, word in case.expect.columns]
    return not any(word in NOT_IN_JSON for word in words) and "NaN" not in str(case.content)


def sample() -> List[Any]:
    """Every third of the small files that are read without options."""
    small = [case for case in CASES if not case.options and not callable(case.content) and in_json(case)]
    return small[::3]


def asked_of_the_shell(path: Path) -> Any:
    statement = "SELECT * FROM '{}'".format(str(path).replace("'", "''"))
    done = run(["-m", "velaria", "sql", "--jsonl"], stdin=json.dumps({"sql": statement}) + "\n")
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    if not answer["ok"]:
        report = "{} [{}]\nhint: {}".format(answer["error"], answer["code"], answer.get("hint"))
        return judge.Refused(answer["code"], report)
    types = [model.type_word(of) for of in answer["types"]]
    return judge.Found(answer["schema"], types, answer["rows"])


@named(sample())
def test_a_path_in_from_is_read_by_the_command_line(case: Any, tmp_path: Path) -> None:
    problem = judge.problem(case, asked_of_the_shell(case.write(tmp_path)))
    assert problem is None, "{} ({})\n{}".format(case.file, case.about, problem)


# -- the corpus itself --------------------------------------------------------------------------------------------------


def test_the_corpus_is_large_and_has_no_name_twice() -> None:
    files = [case.file.lower() for case in CASES]
    assert len(files) >= 110
    assert sorted(set(files)) == sorted(files)


def test_the_corpus_is_the_same_bytes_every_time(tmp_path: Path) -> None:
    script = str(ROOT / "conformance" / "nasty" / "generate.py")
    small = [case for case in CASES if len(case.bytes()) < LARGE_BYTES]
    for folder in ("one", "two"):
        subprocess.run(
            [sys.executable, script, str(tmp_path / folder), *(case.file for case in small)],
            check=True,
            stdout=subprocess.DEVNULL,
            timeout=WATCHDOG_SECONDS,
        )
    for case in small:
        assert (
            (tmp_path / "one" / case.file).read_bytes() == (tmp_path / "two" / case.file).read_bytes() == case.bytes()
        )


def test_options_of_the_corpus_are_options_of_the_reader() -> None:
    source = (ROOT / "engine" / "connector" / "src" / "csv" / "dialect.rs").read_text(encoding="utf-8")
    listed = re.search(r"CSV_OPTIONS: \[&str; \d+\] = \[(.*?)\]", source, re.DOTALL)
    assert listed is not None
    known = set(re.findall(r'"(\w+)"', listed.group(1)))
    used = {option for case in CASES if not case.file.endswith(".xlsx") for option in case.options}
    assert used <= known


def test_every_error_of_the_corpus_has_codes_of_the_engine() -> None:
    codes = set(re.findall(r'"(VEL-\d{4})"', (ROOT / "engine/contract/src/error.rs").read_text(encoding="utf-8")))
    asked = {code for case in CASES for one in case.answers if isinstance(one, model.Refusal) for code in one.codes}
    assert asked <= codes


EXPECTED = model.table("a:BIGINT b:TEXT", [1, "x"], [2, None])
CASE = model.Case("x.csv", "", "", EXPECTED)
NAMES, TYPES = ["a", "b"], ["BIGINT", "TEXT"]


@pytest.mark.parametrize(
    "wrong",
    [
        judge.Found(["a", "c"], TYPES, [[1, "x"], [2, None]]),
        judge.Found(NAMES, ["DOUBLE", "TEXT"], [[1, "x"], [2, None]]),
        judge.Found(NAMES, TYPES, [[1, "x"]]),
        judge.Found(NAMES, TYPES, [[1, "x"], [2, None], [3, "y"]]),
        judge.Found(NAMES, TYPES, [[1.0, "x"], [2, None]]),
        judge.Found(NAMES, TYPES, [["1", "x"], [2, None]]),
        judge.Found(NAMES, TYPES, [[1, "x"], [2, ""]]),
        judge.Found(NAMES, TYPES, [[2, None], [1, "x"]]),
        judge.Refused("VEL-5001", "x.csv:2: expected 2 fields, found 3"),
    ],
)
def test_the_judge_sees_what_is_wrong(wrong: Any) -> None:
    assert judge.problem(CASE, judge.Found(NAMES, TYPES, [[1, "x"], [2, None]])) is None
    assert judge.problem(CASE, wrong) is not None


@pytest.mark.parametrize(
    ("code", "report", "right"),
    [
        ("VEL-5001", "/tmp/x.csv:3: expected 2 fields, found 1", True),
        ("VEL-5001", "/tmp/x.csv:30: expected 2 fields, found 1", False),
        ("VEL-5008", "/tmp/x.csv:3: expected 2 fields, found 1", False),
    ],
)
def test_the_judge_holds_an_error_to_code_and_place(code: str, report: str, right: bool) -> None:
    case = model.Case("x.csv", "", "", model.refused("VEL-5001", r"x\.csv:3\b"))
    assert (judge.problem(case, judge.Refused(code, report)) is None) == right
    assert judge.problem(case, judge.Found(NAMES, TYPES, [])) is not None


LENIENT: List[Tuple[Any, Any, str]] = [
    (1, 1.0, "right"),
    (1, "1", "right"),
    (1.5, "1.50", "right"),
    ("2024-01-31", "2024-01-31T00:00:00", "right"),
    ("2024-01-31T10:20:30", "2024-01-31 10:20:30", "right"),
    ("9223372036854775808", 9223372036854775808, "right"),
    ("9223372036854775809", 9.223372036854776e18, "wrong"),
    (True, "true", "right"),
    (1234.5, "1.234,50", "untyped"),
    ("2024-12-31", "31.12.2024", "untyped"),
    ([1.0, 2.0], "[1 2]", "untyped"),
    ("00123", 123, "wrong"),
    ("1.50", 1.5, "wrong"),
    ("01/02/2024", "2024-01-02", "wrong"),
    ("01/02/2024", "2024-01-02T00:00:00", "wrong"),
    ("", None, "wrong"),
    (None, "", "wrong"),
    ("x\0y", "x", "wrong"),
    ("ann", "bob", "wrong"),
    ("2024-02-01", "2024-01-02", "wrong"),
    ("2024-02-01", "01/02/2024", "untyped"),
]


@pytest.mark.parametrize(("expected", "found", "word"), LENIENT)
def test_the_lenient_judge_forgives_spelling_only(expected: Any, found: Any, word: str) -> None:
    case = model.Case("x.csv", "", "", model.table("a:TEXT", [expected]))
    assert judge.verdict(case, judge.Found(["a"], None, [[found]])) == word
    assert judge.verdict(case, judge.Refused(None, "")) == "refused"

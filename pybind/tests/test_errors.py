"""``velaria.errors``: one class for each kind, what else each class is, and every golden error as Python shows it."""

import builtins
import copy
import os
import pickle
import re
from pathlib import Path
from typing import Any, Callable, Dict, List, Tuple, Type

import pytest

import velaria
from support import ROOT, expand, golden_case, golden_cases, snapshot
from velaria import errors

# The class of each kind of error, and what a caller may catch it as.
KINDS: Dict[str, Tuple[Type[errors.Error], Tuple[type, ...]]] = {
    "Parse": (errors.ParseError, (errors.SqlError, errors.ProgrammingError, ValueError)),
    "Plan": (errors.PlanError, (errors.SqlError, errors.ProgrammingError, ValueError)),
    "Unsupported": (errors.UnsupportedError, (errors.SqlError, errors.NotSupportedError, NotImplementedError, ValueError)),
    "Catalog": (errors.CatalogError, (errors.ProgrammingError, LookupError)),
    "Usage": (errors.UsageError, (errors.InterfaceError, ValueError)),
    "Data": (errors.DataError, (errors.DatabaseError, ValueError)),
    "Constraint": (errors.IntegrityError, (errors.DatabaseError, ValueError)),
    "FileNotFound": (errors.FileMissingError, (errors.IoError, errors.OperationalError, FileNotFoundError, OSError)),
    "Io": (errors.IoError, (errors.OperationalError, OSError)),
    "AccessDenied": (errors.AccessDeniedError, (errors.IoError, errors.OperationalError, PermissionError, OSError)),
    "Remote": (errors.RemoteError, (errors.OperationalError, errors.DatabaseError)),
    "Timeout": (errors.TimeoutError, (errors.OperationalError, TimeoutError, OSError)),
    "Resource": (errors.ResourceError, (errors.OperationalError, MemoryError)),
    "Cancelled": (errors.CancelledError, (errors.OperationalError,)),
    "Internal": (errors.InternalError, (errors.DatabaseError,)),
}

CLASSES: List[Type[errors.Error]] = [
    value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, errors.Error)
]


def table_of_codes() -> Dict[str, str]:
    """Every code with its kind, from the table that the engine is built from."""
    source = (ROOT / "engine" / "contract" / "src" / "error.rs").read_text(encoding="utf-8")
    return dict(re.findall(r'= "(VEL-\d{4})", (\w+);', source))


def test_every_kind_has_its_class() -> None:
    assert set(table_of_codes().values()) == set(KINDS)
    source = (ROOT / "pybind" / "src" / "error.rs").read_text(encoding="utf-8")
    mapped = dict(re.findall(r'ErrorKind::(\w+) => "(\w+)"', source))
    mapped["Internal"] = "InternalError"
    assert mapped == {kind: cls.__name__ for kind, (cls, _) in KINDS.items()}


@pytest.mark.parametrize("kind", KINDS)
def test_class_is_also_what_callers_catch(kind: str) -> None:
    cls, bases = KINDS[kind]
    for base in (*bases, errors.Error, velaria.Error, RuntimeError):
        assert issubclass(cls, base), base


def test_database_api_tree() -> None:
    for cls in CLASSES:
        assert issubclass(cls, RuntimeError)
        assert cls in (errors.Error, errors.InterfaceError) or issubclass(cls, (errors.InterfaceError, errors.DatabaseError))
    for name in ("DataError", "OperationalError", "IntegrityError", "InternalError", "ProgrammingError", "NotSupportedError"):
        assert issubclass(getattr(errors, name), errors.DatabaseError)
    assert not issubclass(errors.InterfaceError, errors.DatabaseError)
    assert issubclass(errors.Warning, builtins.Warning)


def test_names_of_the_module_are_its_classes() -> None:
    assert set(errors.__all__) == {cls.__name__ for cls in CLASSES} | {"Position", "Warning"}
    assert velaria.Error is errors.Error


def catch(call: Callable[[], Any]) -> errors.Error:
    with pytest.raises(errors.Error) as raised:
        call()
    return raised.value


def raisers(session: velaria.Session, folder: Path) -> Dict[str, Callable[[], Any]]:
    """A call for each kind that can be made to fail on purpose."""
    (folder / "ragged.csv").write_text("a,b\n1\n")
    session.sql("CREATE TABLE keyed (id INT PRIMARY KEY)")
    return {
        "Parse": lambda: session.sql("SELECT 1 +"),
        "Plan": lambda: session.sql("SELECT nope FROM (SELECT 1 AS name) AS t"),
        "Unsupported": lambda: session.sql("ALTER TABLE t ADD COLUMN c INT"),
        "Catalog": lambda: session.sql("SELECT * FROM nowhere"),
        "Usage": lambda: session.read_csv("t.csv", delimiter=";;"),
        "Data": lambda: session.read_csv(folder / "ragged.csv").fetchall(),
        "Constraint": lambda: session.sql("INSERT INTO keyed VALUES (1), (1)"),
        "FileNotFound": lambda: session.read_csv(folder / "nowhere.csv"),
        "Io": lambda: session.read_csv("/dev/null"),
        "AccessDenied": lambda: velaria.Session(allowed_paths=[folder / "in"]).read_csv(folder / "ragged.csv"),
        "Resource": lambda: session.sql("SELECT repeat('x', 2000000000000)").fetchall(),
        "Timeout": lambda: velaria.Session(statement_timeout=0.01).sql("SELECT COUNT(*) FROM range(1000000000000000)").fetchall(),
    }


def test_each_kind_is_raised_as_its_class(session: velaria.Session, tmp_path: Path) -> None:
    codes = table_of_codes()
    for kind, call in raisers(session, tmp_path).items():
        error = catch(call)
        assert type(error) is KINDS[kind][0], kind
        assert error.code is not None and codes[error.code] == kind
        assert error.hint is None or isinstance(error.hint, str)
        assert error.message and error.message == error.message.strip()


def test_report_is_message_code_place_and_hint(session: velaria.Session) -> None:
    error = catch(lambda: session.sql("SELECT 1,\n  nmae FROM (SELECT 'x' AS name) AS t"))
    assert str(error) == (
        'column not found: nmae [VEL-2001]\nline 2:   nmae FROM (SELECT \'x\' AS name) AS t\n          ^^^^\nhint: did you mean "name"?'
    )
    assert error.message == "column not found: nmae"
    assert error.code == "VEL-2001"
    assert error.hint == 'did you mean "name"?'
    assert error.position == errors.Position(line=2, column=3, length=4, text="  nmae FROM (SELECT 'x' AS name) AS t")
    assert error.args == (str(error),)


def test_error_without_a_place_has_no_position(session: velaria.Session) -> None:
    error = catch(lambda: session.read_csv("/nowhere.csv"))
    assert error.position is None
    assert str(error).startswith("cannot stat source file: /nowhere.csv [VEL-6001]\nhint: ")


def test_wrong_argument_type_is_a_whole_report_too(session: velaria.Session) -> None:
    error = catch(lambda: session.create_temp_view("t", 3))  # type: ignore[arg-type]
    assert type(error) is errors.ArgumentTypeError
    assert isinstance(error, TypeError)
    assert (error.code, error.position) == ("VEL-7001", None)
    assert str(error) == "create_temp_view expects a DataFrame or StreamingDataFrame [VEL-7001]"


def same(left: errors.Error, right: errors.Error) -> bool:
    names = ("message", "code", "hint", "position", "args")
    return type(left) is type(right) and str(left) == str(right) and all(getattr(left, n) == getattr(right, n) for n in names)


def test_pickling_and_copying_keep_everything(session: velaria.Session, tmp_path: Path) -> None:
    for call in raisers(session, tmp_path).values():
        error = catch(call)
        for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
            assert same(error, pickle.loads(pickle.dumps(error, protocol)))
        assert same(error, copy.copy(error))
        assert same(error, copy.deepcopy(error))


def test_position_survives_pickling_as_what_it_is(session: velaria.Session) -> None:
    error = catch(lambda: session.sql("SELECT nope"))
    loaded = pickle.loads(pickle.dumps(error))
    assert isinstance(loaded.position, errors.Position)
    assert loaded.position == error.position


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_class_can_be_made_and_pickled_by_hand(cls: Type[errors.Error]) -> None:
    error = cls("text", message="message", code="VEL-0000", hint="hint", position=errors.Position(1, 2, 3, "text"))
    assert str(error) == "text"
    assert same(error, pickle.loads(pickle.dumps(error)))
    bare = cls("text")
    assert (bare.message, bare.code, bare.hint, bare.position) == ("text", None, None, None)


def test_error_does_not_spoil_the_session(session: velaria.Session) -> None:
    for _ in range(3):
        catch(lambda: session.sql("SELECT nope"))
        assert session.sql("SELECT 1 AS a").fetchall() == [(1,)]


def test_file_that_may_not_be_read(session: velaria.Session, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a\n1\n")
    path.chmod(0)
    if os.access(path, os.R_OK):
        pytest.skip("this user may read every file")
    error = catch(lambda: session.read_csv(path))
    assert type(error) is errors.IoError
    assert error.code == "VEL-6003"


@pytest.mark.parametrize("case", golden_cases("error"), ids=lambda case: case.stem)
def test_golden_error_reads_the_same_in_python(session: velaria.Session, case: Path) -> None:
    content = golden_case(case)
    for statement in content.get("setup", []):
        session.sql(statement)

    def run() -> None:
        for key, read in (("csv", session.read_csv), ("json", session.read_json), ("parquet", session.read_parquet)):
            if key in content:
                session.create_temp_view("input_table", read(expand(content[key])))
        session.sql(content["sql"]).fetchall()

    text = snapshot("error", case).split("=== text\n", 1)[1].split("\n=== ", 1)[0]
    assert str(catch(run)) == text


def test_there_are_golden_errors() -> None:
    assert len(golden_cases("error")) >= 30

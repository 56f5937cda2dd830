"""Workbooks: ``velaria.read_excel`` as pandas had it, and ``Session.read_excel`` below it."""

import datetime as dt
import importlib.util
import pathlib
import warnings
from typing import Any, List
from unittest import mock

import pytest

import velaria
from support import need
from velaria import errors

FIXTURES = pathlib.Path(__file__).parent / "fixtures"
EMPLOYEES = FIXTURES / "employee_import_mock.xlsx"


@pytest.fixture
def book(tmp_path: pathlib.Path) -> pathlib.Path:
    """Three sheets by openpyxl, of which one is hidden."""
    openpyxl = need("openpyxl")
    workbook = openpyxl.Workbook()
    first = workbook.active
    first.title = "First"
    first.append(["when", "day", "at", "long", "n", "mixed", "formula"])
    moment, day = dt.datetime(2024, 7, 1, 12, 30), dt.date(2024, 7, 1)
    first.append([moment, day, dt.time(8, 30), dt.timedelta(hours=30), 1.0, 7, "=1+1"])
    first.append([moment, None, None, None, 2, day, None])
    hidden = workbook.create_sheet("Secret")
    hidden.sheet_state = "hidden"
    hidden.append(["x"])
    hidden.append(["#N/A"])
    last = workbook.create_sheet("Last")
    last["B2"] = "Report"
    for column, name in enumerate(["a", "b", "c"]):
        last.cell(4, 2 + column, name)
        last.cell(5, 2 + column, column)
    path = tmp_path / "book.xlsx"
    workbook.save(path)
    return path


def quietly(call: Any, *args: Any, **options: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", errors.Warning)
        return call(*args, **options)


def test_sheet_is_read_as_text_by_default(session: velaria.Session) -> None:
    frame = velaria.read_excel(session, str(EMPLOYEES), sheet_name="员工")
    assert frame.columns == ["employee_id", "name", "join_date", "dept"]
    assert frame.fetchall() == [
        ("E1001", "Alice", "2024-02-01", "R&D"),
        ("E1002", "Bob", "2024-02-05", "Ops"),
        ("E1003", "Alice", "2024-02-10", "R&D"),
    ]


def test_fixture_is_what_its_script_writes(tmp_path: pathlib.Path) -> None:
    spec = importlib.util.spec_from_file_location("make_workbooks", FIXTURES / "make_workbooks.py")
    assert spec and spec.loader
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    script.write(tmp_path / "again.xlsx", "员工", script.ROWS)
    assert (tmp_path / "again.xlsx").read_bytes() == EMPLOYEES.read_bytes()


def test_dates_of_pandas_become_text(session: velaria.Session, tmp_path: pathlib.Path) -> None:
    pandas = need("pandas")
    need("openpyxl")
    path = tmp_path / "people.xlsx"
    table = pandas.DataFrame({"name": ["a", "b"], "day": pandas.to_datetime(["2024-01-01", None]), "n": [20, 30]})
    table.to_excel(path, index=False)
    frame = velaria.read_excel(session, path)
    session.create_temp_view("people", frame)
    assert session.sql("SELECT name, day, n FROM people WHERE n = 20").fetchall() == [("a", "2024-01-01", 20)]
    typed = velaria.read_excel(session, path, coerce_datetime_to_string=False)
    assert typed.fetchall()[0] == ("a", dt.datetime(2024, 1, 1), 20)
    assert velaria.read_excel(session, path, date_format="%d/%m/%Y %H").fetchall()[0][1] == "01/01/2024 00"


def test_times_of_day_are_dropped_with_a_warning(session: velaria.Session, book: pathlib.Path) -> None:
    with pytest.warns(errors.Warning) as said:
        frame = velaria.read_excel(session, book)
    assert frame.fetchall()[0][:2] == ("2024-07-01", "2024-07-01")
    texts = [str(warning.message) for warning in said]
    assert "sheet First: column when has times of day, which date_format drops" in texts
    assert any("1 formulas have no computed value" in text for text in texts)


def test_values_keep_their_types(session: velaria.Session, book: pathlib.Path) -> None:
    first = quietly(session.read_excel, book).fetchall()[0]
    long = dt.timedelta(hours=30)
    assert first == (dt.datetime(2024, 7, 1, 12, 30), dt.date(2024, 7, 1), dt.time(8, 30), long, 1, "7", None)
    assert quietly(session.read_excel, book, types={"n": "TEXT"}).fetchall()[1][4:6] == ("2", "2024-07-01")


def test_hidden_sheets_are_read_by_name_only(session: velaria.Session, book: pathlib.Path) -> None:
    assert session.excel_sheets(book) == ["First", "Secret", "Last"]
    assert list(quietly(velaria.read_excel, session, book, sheet_name=None)) == ["First", "Last"]
    assert velaria.read_excel(session, book, sheet_name=1).columns == ["a", "b", "c"]
    with pytest.warns(errors.Warning, match="1 cells hold an error"):
        assert velaria.read_excel(session, book, sheet_name="Secret").fetchall() == [(None,)]
    assert session.read_excel(book, sheet="Secret", errors="text").fetchall() == [("#N/A",)]
    frames = quietly(velaria.read_excel, session, book, sheet_name=["Last", 0])
    assert list(frames) == ["Last", 0]


def test_unknown_sheet_is_told_what_there_is(session: velaria.Session, book: pathlib.Path) -> None:
    with pytest.raises(ValueError, match="sheet not found: Nope") as raised:
        velaria.read_excel(session, book, sheet_name="Nope")
    assert "First, Secret, Last" in str(raised.value)


def test_options_of_pandas_mean_the_same(session: velaria.Session, book: pathlib.Path) -> None:
    def columns(**options: Any) -> List[str]:
        return list(quietly(velaria.read_excel, session, book, sheet_name="Last", **options).columns)

    assert columns() == ["a", "b", "c"]
    assert columns(skiprows=3) == ["a", "b", "c"]
    assert columns(header=3) == ["a", "b", "c"]
    assert columns(header=None, skiprows=3) == ["column_1", "column_2", "column_3"]
    assert columns(usecols="C:D", skiprows=3) == ["b", "c"]
    assert columns(names=["x", "y", "z"]) == ["x", "y", "z"]
    assert columns(engine="openpyxl", usecols=None, nrows=None, dtype=None) == ["a", "b", "c"]
    assert columns(usecols=["c", "a"]) == columns(usecols=[2, 0]) == columns(usecols=range(0, 3, 2)) == ["a", "c"]
    with pytest.raises(errors.UsageError, match="unknown option of excel: index_col"):
        columns(index_col=0)
    for options, text in (
        ({"usecols": ["c", "x", 3]}, "usecols names no columns of the sheet: x, 3"),
        ({"usecols": 2}, "usecols cannot be 2"),
        ({"usecols": "1"}, "usecols cannot be '1'"),
        ({"usecols": "A,C"}, "usecols cannot be 'A,C'"),
        ({"usecols": "A", "range": "A1:B2"}, "usecols cannot be 'A'"),
        ({"dtype": int}, "dtype of a workbook can be str only"),
        ({"nrows": -1}, "a number of rows cannot be -1"),
    ):
        with pytest.raises(errors.UsageError, match=text) as raised:
            columns(**options)
        assert raised.value.code == "VEL-7001"


@pytest.mark.parametrize("dtype", [str, "str", object, "object"])
def test_text_is_asked_for_as_of_pandas(session: velaria.Session, book: pathlib.Path, dtype: Any) -> None:
    frame = velaria.read_excel(session, book, sheet_name="Last", header=3, dtype=dtype)
    assert frame.fetchall() == [("0", "1", "2")]


def test_the_first_rows_are_read(session: velaria.Session) -> None:
    assert velaria.read_excel(session, EMPLOYEES, nrows=2, usecols=["name"]).fetchall() == [("Alice",), ("Bob",)]
    assert velaria.read_excel(session, EMPLOYEES, nrows=0).fetchall() == []
    frames = velaria.read_excel(session, EMPLOYEES, sheet_name=None, nrows=1, usecols=[0])
    assert [frame.fetchall() for frame in frames.values()] == [[("E1001",)]]


def test_any_object_that_takes_arrow_is_a_session(book: pathlib.Path) -> None:
    need("pyarrow")

    class Fake:
        def create_dataframe_from_arrow(self, table: Any) -> Any:
            return ("made", table.column_names)

    assert velaria.read_excel(Fake(), EMPLOYEES) == ("made", ["employee_id", "name", "join_date", "dept"])
    assert velaria.read_excel(Fake(), EMPLOYEES, usecols=[1]) == ("made", ["name"])
    frames = quietly(velaria.read_excel, Fake(), book, sheet_name=None)
    assert frames["Last"] == ("made", ["a", "b", "c"])


def test_a_stand_in_for_a_session_is_none() -> None:
    need("pyarrow")
    session = mock.MagicMock(spec=velaria.Session)
    session.create_dataframe_from_arrow.return_value = "frame"
    assert velaria.read_excel(session, EMPLOYEES) == "frame"
    (table,) = session.create_dataframe_from_arrow.call_args.args
    assert table.num_rows == 3
    session.read_excel.assert_not_called()


@pytest.mark.parametrize(
    ("content", "kind", "match"),
    [
        (b"<html></html>", errors.DataError, "is not a workbook but an HTML page"),
        (b"a,b\n1,2\n", errors.DataError, "is not a workbook but text, perhaps CSV"),
        (b"PK\x03\x04", errors.DataError, "the zip archive of the workbook is damaged"),
        (b"", errors.DataError, "file is empty"),
    ],
)
def test_other_files_are_called_what_they_are(
    session: velaria.Session, tmp_path: pathlib.Path, content: bytes, kind: type, match: str
) -> None:
    path = tmp_path / "x.xlsx"
    path.write_bytes(content)
    with pytest.raises(kind, match=match):
        session.read_excel(path)
    with pytest.raises(FileNotFoundError):
        session.read_excel(tmp_path / "missing.xlsx")
    with pytest.raises(errors.IoError, match="is a directory"):
        session.read_excel(tmp_path)


def test_only_allowed_paths_are_read(tmp_path: pathlib.Path) -> None:
    with velaria.Session(allowed_paths=[tmp_path]) as session, pytest.raises(PermissionError):
        velaria.read_excel(session, EMPLOYEES)


def test_copy_writes_what_is_read_again(session: velaria.Session, tmp_path: pathlib.Path) -> None:
    path = tmp_path / "out.xlsx"
    query = "SELECT 1 AS n, 'x' AS t, TRUE AS b, 1.5 AS f, DATE '2024-07-01' AS d, '=1+1' AS s, NULL AS e"
    assert session.sql(f"COPY ({query}) TO '{path}'").fetchall()[0][0] is not None
    assert session.read_excel(path).fetchall() == [(1, "x", True, 1.5, dt.date(2024, 7, 1), "=1+1", None)]
    openpyxl = need("openpyxl")
    rows = [list(row) for row in openpyxl.load_workbook(path).active.values]
    assert rows == [list("ntbfdse"), [1, "x", True, 1.5, dt.datetime(2024, 7, 1), "=1+1", None]]

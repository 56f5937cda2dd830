"""Workbooks: dates and what looks like them, cells that hold no value, areas, damage."""

from typing import List

from .model import Case, Table, long_table, refused, table
from .storage import packed_zip
from .workbook import Sheet, clock, date, duration, error, formula, inline, moment, number, workbook

PAIRS = table("a:BIGINT b:TEXT", [1, "x"], [2, "y"])
PAIR_ROWS = [["a", "b"], [1, "x"], [2, "y"]]

# 2024-01-31 as a day of the calendar that begins with 1900, and of the one that begins with 1904.
DAY = 45322
DAY_1904 = DAY - 1462


def book(name: str, about: str, rows: "list[list[object]]", expect: Table, **more: object) -> Case:
    """A workbook of one sheet."""
    content = lambda: workbook(Sheet("Sheet1", rows))  # type: ignore[arg-type]  # noqa: E731 - made when it is asked for
    return Case("excel_{}.xlsx".format(name), about, content, expect, **more)  # type: ignore[arg-type]


def column(name: str, about: str, cells: "list[object]", word: str, found: "list[object]", **more: object) -> Case:
    """A sheet of two columns: a running number and some cells."""
    rows = [["id", "v"], *([row, cell] for row, cell in enumerate(cells, 1))]
    expect = table("id:BIGINT v:" + word, *([row, value] for row, value in enumerate(found, 1)))
    return book(name, about, rows, expect, **more)


def cells() -> List[Case]:
    digits = "12345678901234567890"
    return [
        book(
            "plain",
            "numbers, texts, booleans",
            [["n", "x", "t", "b"], [1, 1.5, "ann", True], [2, 2.0, "bob", False]],
            table("n:BIGINT x:DOUBLE t:TEXT b:BOOLEAN", [1, 1.5, "ann", True], [2, 2.0, "bob", False]),
        ),
        column("dates", "dates", [date(DAY), date(1), date(61)], "DATE", ["2024-01-31", "1900-01-01", "1900-03-01"]),
        column(
            "moments",
            "dates with a time",
            [moment(DAY + 0.5), moment(DAY + 0.75)],
            "TIMESTAMP",
            ["2024-01-31T12:00:00", "2024-01-31T18:00:00"],
        ),
        column(
            "dates_and_moments",
            "one time among dates",
            [date(DAY), moment(DAY + 0.5)],
            "TIMESTAMP",
            ["2024-01-31T00:00:00", "2024-01-31T12:00:00"],
        ),
        column(
            "times",
            "times of day",
            [clock(0.5), clock(0.0), clock(0.999988425925926)],
            "TIME",
            ["12:00:00", "00:00:00", "23:59:59"],
        ),
        column(
            "durations",
            "more than a day of hours",
            [duration(1.5), duration(0.25)],
            "DURATION",
            ["36:00:00", "6:00:00"],
        ),
        column(
            "dates_german",
            "dates in another format",
            [number(DAY, "dd.mm.yyyy"), number(DAY + 1, "dd.mm.yyyy")],
            "DATE",
            ["2024-01-31", "2024-02-01"],
        ),
        column("percent", "a percent is a number", [number(0.25, "0.00%"), number(1, "0.00%")], "DOUBLE", [0.25, 1.0]),
        column(
            "whole_floats",
            "whole numbers written as floats",
            [number("1.0"), number("2E2"), number("300")],
            "BIGINT",
            [1, 200, 300],
        ),
        column(
            "wide_integers",
            "an integer of 20 digits keeps them",
            [number(1, "0"), number(digits, "0")],
            "DECIMAL(38,0)",
            ["1", digits],
            also=(table("id:BIGINT v:TEXT", [1, "1"], [2, digits]),),
        ),
        column(
            "mixed",
            "numbers, dates and texts in one column",
            [7, "x", 1.5, date(DAY), True],
            "TEXT",
            ["7", "x", "1.5", "2024-01-31", "TRUE"],
            also=(table("id:BIGINT v:TEXT", [1, "7"], [2, "x"], [3, "1.5"], [4, "2024-01-31"], [5, "true"]),),
        ),
        column(
            "late_text", "a text behind 2,000 numbers", [7] * 2000 + ["unknown"], "TEXT", ["7"] * 2000 + ["unknown"]
        ),
        column(
            "number_texts",
            "codes and numbers that are stored as text stay text",
            ["007", "1,234.50", "42"],
            "TEXT",
            ["007", "1,234.50", "42"],
        ),
        column("errors", "errors are no values", [1, error("#N/A"), error("#DIV/0!"), 4], "BIGINT", [1, None, None, 4]),
        column(
            "errors_as_text",
            "errors as their texts, on demand",
            [1, error("#N/A")],
            "TEXT",
            ["1", "#N/A"],
            options={"errors": "text"},
        ),
        Case(
            "excel_errors_raised.xlsx",
            "errors as an error, on demand",
            lambda: workbook(Sheet("Sheet1", [["id", "v"], [1, 1], [2, error("#DIV/0!")]])),
            refused("VEL-5003 VEL-5008 VEL-5011", r"(?s)B3.*#DIV/0!|#DIV/0!.*B3"),
            {"errors": "raise"},
        ),
        column("formulas", "formulas with their values", [formula("1+1", "2"), formula("A1*2", "5")], "BIGINT", [2, 5]),
        column(
            "formulas_text",
            "a formula of a text",
            [formula('"x"&"y"', "xy", "str"), formula('"z"', "z", "str")],
            "TEXT",
            ["xy", "z"],
        ),
        column(
            "formulas_new",
            "a formula that was never computed has no value",
            [formula("1+1", None), formula("2+2", "4")],
            "BIGINT",
            [None, 4],
        ),
        column("inline", "texts inside of their cells", [inline(" x "), inline("y\nz")], "TEXT", [" x ", "y\nz"]),
        column(
            "unicode", "emoji, Hebrew and an ampersand", ["🙂", "שלום", "<a & b>"], "TEXT", ["🙂", "שלום", "<a & b>"]
        ),
        column("long_text", "a text of 100,000 letters", ["x" * 100_000, "y"], "TEXT", ["x" * 100_000, "y"]),
        column("empty_texts", "a text of nothing, and nothing", ["", None, "x"], "TEXT", ["", None, "x"]),
        Case(
            "excel_1904.xlsx",
            "the calendar that begins with 1904",
            lambda: workbook(Sheet("Sheet1", [["id", "v"], [1, date(DAY_1904)], [2, date(1)]]), from_1904=True),
            table("id:BIGINT v:DATE", [1, "2024-01-31"], [2, "1904-01-02"]),
        ),
    ]


def areas() -> List[Case]:
    other = Sheet("Other sheet", [["k"], [7]])
    merged = Sheet("Sheet1", [["land", "city"], ["DE", "Ulm"], [None, "Köln"], ["FR", "Nice"]], merged=["A2:A3"])
    nested = [["Report"], [], ["a", "b", None, "z"], [1, "x", None, 8], [2, "y", None, 9]]
    two = lambda: workbook(Sheet("Sheet1", PAIR_ROWS), other)  # noqa: E731 - made when it is asked for
    land = "land:TEXT city:TEXT"
    return [
        Case("excel_first.xlsx", "the first of two sheets", two, PAIRS),
        Case("excel_by_name.xlsx", "a sheet by its name", two, table("k:BIGINT", [7]), {"sheet": "Other sheet"}),
        Case(
            "excel_no_such.xlsx",
            "a sheet that does not exist",
            two,
            refused("VEL-7001 VEL-4001", r"(?s)Sheet9.*Other sheet"),
            {"sheet": "Sheet9"},
        ),
        Case(
            "excel_hidden.xlsx",
            "a hidden sheet can be named",
            lambda: workbook(Sheet("Sheet1", PAIR_ROWS), Sheet("Secret", [["k"], [7]], state="hidden")),
            table("k:BIGINT", [7]),
            {"sheet": "Secret"},
        ),
        Case(
            "excel_merged.xlsx",
            "merged cells have their value once",
            lambda: workbook(merged),
            table(land, ["DE", "Ulm"], [None, "Köln"], ["FR", "Nice"]),
        ),
        Case(
            "excel_merged_filled.xlsx",
            "and in every cell, on demand",
            lambda: workbook(merged),
            table(land, ["DE", "Ulm"], ["DE", "Köln"], ["FR", "Nice"]),
            {"fill_merged": True},
        ),
        Case("excel_range.xlsx", "an area", lambda: workbook(Sheet("Sheet1", nested)), PAIRS, {"range": "A3:B5"}),
        Case(
            "excel_table.xlsx",
            "a table of the workbook",
            lambda: workbook(
                Sheet(
                    "Sheet1",
                    [["note", None, None], [None, "a", "b"], [None, 1, "x"], [None, 2, "y"], [None, "end", "of it"]],
                    table=("People", "B2:C4"),
                )
            ),
            PAIRS,
            {"table": "People"},
        ),
        Case(
            "excel_moved.xlsx",
            "a table that begins at C4",
            lambda: workbook(Sheet("Sheet1", PAIR_ROWS, at=(4, 3))),
            PAIRS,
        ),
        Case(
            "excel_blank_rows.xlsx",
            "a row of nothing is a row",
            lambda: workbook(Sheet("Sheet1", [["a", "b"], [1, "x"], [None, None], [2, "y"]])),
            table("a:BIGINT b:TEXT", [1, "x"], [None, None], [2, "y"]),
            also=(PAIRS,),
        ),
        Case(
            "excel_duplicate.xlsx",
            "a name that stands twice",
            lambda: workbook(Sheet("Sheet1", [["a", "b", "a"], [1, 2, 3]])),
            refused("VEL-2006", "a"),
            forgiven=(table("a:BIGINT b:BIGINT c2:BIGINT", [1, 2, 3]),),
        ),
        Case(
            "excel_header_only.xlsx",
            "a header and nothing else",
            lambda: workbook(Sheet("Sheet1", [["a", "b"]])),
            table("a:TEXT b:TEXT"),
        ),
        Case(
            "excel_empty.xlsx", "a sheet of nothing is a table of nothing", lambda: workbook(Sheet("Sheet1")), table([])
        ),
        Case(
            "excel_stray_cell.xlsx",
            "one cell in the last column makes no other columns, and rows down to its own",
            lambda: workbook(Sheet("Sheet1", PAIR_ROWS, cells={"XFD5": 1})),
            table("a:BIGINT b:TEXT column_3:BIGINT", [1, "x", None], [2, "y", None], [None] * 3, [None, None, 1]),
        ),
        Case(
            "excel_far_cell.xlsx",
            "one cell at the far end makes more cells than are wanted",
            lambda: workbook(Sheet("Sheet1", PAIR_ROWS, cells={"XFD1048576": 1})),
            refused("VEL-5008", "max_cells"),
            {"max_cells": 1_000_000},
        ),
        Case(
            "excel_far_cell_range.xlsx",
            "one cell at the far end, outside of what is read",
            lambda: workbook(Sheet("Sheet1", PAIR_ROWS, cells={"XFD1048576": 1})),
            PAIRS,
            {"range": "A1:B3"},
        ),
        Case(
            "excel_rows.xlsx",
            "20,000 rows",
            lambda: workbook(
                Sheet("Sheet1", [["id", "t"], *([row, "text {}".format(row % 7)] for row in range(20000))])
            ),
            long_table("id:BIGINT t:TEXT", lambda: [[row, "text {}".format(row % 7)] for row in range(20000)]),
        ),
    ]


def damage() -> List[Case]:
    plain = lambda: workbook(Sheet("Sheet1", PAIR_ROWS))  # noqa: E731 - made when it is asked for
    malformed = "VEL-5008 VEL-8001"
    doctype = '<?xml version="1.0"?><!DOCTYPE sst [<!ENTITY x SYSTEM "file:///etc/passwd">]><sst xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><si><t>a</t></si><si><t>&x;</t></si></sst>'
    return [
        Case("excel_named.csv", "a workbook that is named CSV", plain, PAIRS),
        Case(
            "excel_claims.xlsx",
            "four thousand million texts are claimed, two are there",
            lambda: workbook(Sheet("Sheet1", PAIR_ROWS), strings_claimed=2**32 - 1),
            PAIRS,
            also=(refused(malformed, r"excel_claims\.xlsx"),),
        ),
        Case(
            "excel_cut.xlsx",
            "half of a workbook",
            lambda: plain()[: len(plain()) // 2],
            refused("VEL-5008", r"excel_cut\.xlsx"),
        ),
        Case(
            "excel_bomb.xlsx",
            "200 MB of blanks in 200 KB",
            lambda: workbook(Sheet("Sheet1", PAIR_ROWS), parts={"xl/sharedStrings.xml": " " * 200_000_000}),
            refused(malformed, r"excel_bomb\.xlsx"),
        ),
        Case(
            "excel_no_book.xlsx",
            "an archive that is no workbook",
            lambda: packed_zip({"hello.txt": b"hello"}),
            refused("VEL-5008", r"excel_no_book\.xlsx"),
            also=(refused("VEL-5007 VEL-2006", ""),),
        ),
        Case(
            "excel_no_strings.xlsx",
            "texts that are missing",
            lambda: workbook(
                Sheet("Sheet1", [[inline("a")], [number(1)], [inline("x")]]),
                parts={
                    "xl/worksheets/sheet1.xml": '<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData><row r="1"><c r="A1" t="s"><v>7</v></c></row></sheetData></worksheet>'
                },
            ),
            refused("VEL-5008", r"excel_no_strings\.xlsx"),
        ),
        Case(
            "excel_entities.xlsx",
            "texts that want to read other files",
            lambda: workbook(Sheet("Sheet1", [["a"], ["b"]]), parts={"xl/sharedStrings.xml": doctype}),
            refused("VEL-5008", r"excel_entities\.xlsx"),
        ),
        Case(
            "excel_locked.xlsx",
            "a workbook with a password",
            lambda: (
                b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(504) + "EncryptedPackage".encode("utf-16-le") + bytes(1000)
            ),
            refused("VEL-3001 VEL-5008", r"excel_locked\.xlsx"),
        ),
        Case("excel_empty_file.xlsx", "no bytes at all", b"", refused("VEL-5007", r"excel_empty_file\.xlsx")),
    ]


CASES = [*cells(), *areas(), *damage()]

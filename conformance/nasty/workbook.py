"""Writes workbooks for the corpus: cell by cell, with what real ones have and libraries do not write.

A workbook is a zip archive of XML. Only the standard library is used, and the bytes are the same on every day.
"""

from dataclasses import dataclass, field
from typing import Dict, List, Optional, Sequence, Tuple, Union
from xml.sax.saxutils import escape, quoteattr

from .storage import packed_zip

MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE = "http://schemas.openxmlformats.org/package/2006/relationships"
TYPES = "http://schemas.openxmlformats.org/package/2006/content-types"
DECLARATION = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'

# The number formats that cells name; the first is that of everything else.
FORMATS = (
    "General",
    "yyyy-mm-dd",
    "yyyy-mm-dd hh:mm:ss",
    "hh:mm:ss",
    "[h]:mm:ss",
    "0.00%",
    "#,##0.00",
    "dd.mm.yyyy",
    "0",
)


@dataclass(frozen=True)
class Cell:
    """A cell as XML has it: its kind (`t`), the text of its value, a format and a formula."""

    kind: str
    value: Optional[str]
    format: str = "General"
    formula: Optional[str] = None


def number(value: Union[int, float, str], format: str = "General") -> Cell:
    return Cell("n", str(value), format)


def date(serial: float) -> Cell:
    return number(serial, "yyyy-mm-dd")


def moment(serial: float) -> Cell:
    return number(repr(serial), "yyyy-mm-dd hh:mm:ss")


def clock(serial: float) -> Cell:
    return number(repr(serial), "hh:mm:ss")


def duration(serial: float) -> Cell:
    return number(repr(serial), "[h]:mm:ss")


def error(text: str) -> Cell:
    return Cell("e", text)


def formula(text: str, value: Optional[str], kind: str = "n") -> Cell:
    return Cell(kind, value, formula=text)


def inline(text: str) -> Cell:
    return Cell("inlineStr", text)


# Texts, numbers, booleans and nothing may be written as they are.
Value = Union[Cell, str, int, float, bool, None]


@dataclass(frozen=True)
class Sheet:
    """Rows from the cell A1 on; `at` moves them, `cells` are further ones by name, `merged` are areas."""

    name: str
    rows: Sequence[Sequence[Value]] = ()
    at: Tuple[int, int] = (1, 1)
    cells: Dict[str, Value] = field(default_factory=dict)
    merged: Sequence[str] = ()
    state: str = "visible"
    table: Optional[Tuple[str, str]] = None


def workbook(
    *sheets: Sheet,
    from_1904: bool = False,
    strings_claimed: Optional[int] = None,
    parts: Optional[Dict[str, str]] = None,
) -> bytes:
    """The bytes of a workbook. `strings_claimed` is the number of shared texts that it says to have."""
    shared: List[str] = []
    made: Dict[str, str] = {}
    overrides, links, entries = [], [], []
    for index, sheet in enumerate(sheets, 1):
        made["xl/worksheets/sheet{}.xml".format(index)] = sheet_xml(sheet, shared)
        overrides.append(("/xl/worksheets/sheet{}.xml".format(index), "spreadsheetml.worksheet+xml"))
        links.append(("rId{}".format(index), "worksheet", "worksheets/sheet{}.xml".format(index)))
        state = "" if sheet.state == "visible" else " state={}".format(quoteattr(sheet.state))
        entries.append(
            '<sheet name={} sheetId="{}"{} r:id="rId{}"/>'.format(quoteattr(sheet.name), index, state, index)
        )
        if sheet.table:
            made["xl/worksheets/_rels/sheet{}.xml.rels".format(index)] = links_xml(
                [("rId1", "table", "../tables/table{}.xml".format(index))]
            )
            made["xl/tables/table{}.xml".format(index)] = table_xml(index, sheet)
            overrides.append(("/xl/tables/table{}.xml".format(index), "spreadsheetml.table+xml"))
    overrides += [
        ("/xl/workbook.xml", "spreadsheetml.sheet.main+xml"),
        ("/xl/styles.xml", "spreadsheetml.styles+xml"),
        ("/xl/sharedStrings.xml", "spreadsheetml.sharedStrings+xml"),
    ]
    links += [("rIdStyles", "styles", "styles.xml"), ("rIdStrings", "sharedStrings", "sharedStrings.xml")]
    book = '<workbook xmlns="{}" xmlns:r="{}"><workbookPr{}/><sheets>{}</sheets></workbook>'
    made["xl/workbook.xml"] = DECLARATION + book.format(
        MAIN, OFFICE, ' date1904="1"' if from_1904 else "", "".join(entries)
    )
    made["xl/_rels/workbook.xml.rels"] = links_xml(links)
    made["_rels/.rels"] = links_xml([("rId1", "officeDocument", "xl/workbook.xml")])
    made["xl/styles.xml"] = styles_xml()
    made["xl/sharedStrings.xml"] = strings_xml(shared, len(shared) if strings_claimed is None else strings_claimed)
    made["[Content_Types].xml"] = types_xml(overrides)
    made.update(parts or {})
    order = ["[Content_Types].xml", *sorted(name for name in made if name != "[Content_Types].xml")]
    return packed_zip({name: made[name].encode("utf-8") for name in order})


def sheet_xml(sheet: Sheet, shared: List[str]) -> str:
    cells = {}
    for row, values in enumerate(sheet.rows, sheet.at[0]):
        for column, value in enumerate(values, sheet.at[1]):
            if value is not None:
                cells[row, column] = value
    for name, value in sheet.cells.items():
        cells[place_of(name)] = value
    lines: Dict[int, List[str]] = {}
    for (row, column), value in sorted(cells.items()):
        lines.setdefault(row, []).append(cell_xml(name_of(row, column), value, shared))
    data = "".join('<row r="{}">{}</row>'.format(row, "".join(line)) for row, line in lines.items())
    merged = "".join("<mergeCell ref={}/>".format(quoteattr(area)) for area in sheet.merged)
    merged = "<mergeCells>{}</mergeCells>".format(merged) if merged else ""
    tables = '<tableParts count="1"><tablePart r:id="rId1"/></tableParts>' if sheet.table else ""
    text = '<worksheet xmlns="{}" xmlns:r="{}"><sheetData>{}</sheetData>{}{}</worksheet>'
    return DECLARATION + text.format(MAIN, OFFICE, data, merged, tables)


def cell_xml(name: str, value: Value, shared: List[str]) -> str:
    cell = as_cell(value, shared)
    inner = "" if cell.formula is None else "<f>{}</f>".format(escape(cell.formula))
    if cell.kind == "inlineStr":
        inner += '<is><t xml:space="preserve">{}</t></is>'.format(escape(cell.value or ""))
    elif cell.value is not None:
        inner += "<v>{}</v>".format(escape(cell.value))
    return '<c r="{}" s="{}" t="{}">{}</c>'.format(name, FORMATS.index(cell.format), cell.kind, inner)


def as_cell(value: Value, shared: List[str]) -> Cell:
    if isinstance(value, Cell):
        return value
    if isinstance(value, bool):
        return Cell("b", str(int(value)))
    if isinstance(value, str):
        if value not in shared:
            shared.append(value)
        return Cell("s", str(shared.index(value)))
    return number(repr(value))


def name_of(row: int, column: int) -> str:
    letters = ""
    while column:
        column, digit = divmod(column - 1, 26)
        letters = chr(ord("A") + digit) + letters
    return letters + str(row)


def place_of(name: str) -> Tuple[int, int]:
    letters = name.rstrip("0123456789")
    column = 0
    for letter in letters:
        column = column * 26 + ord(letter) - ord("A") + 1
    return int(name[len(letters) :]), column


def links_xml(links: Sequence[Tuple[str, str, str]]) -> str:
    one = '<Relationship Id="{}" Type="{}/{}" Target="{}"/>'
    inner = "".join(one.format(name, OFFICE, kind, target) for name, kind, target in links)
    return DECLARATION + '<Relationships xmlns="{}">{}</Relationships>'.format(PACKAGE, inner)


def types_xml(overrides: Sequence[Tuple[str, str]]) -> str:
    one = '<Override PartName="{}" ContentType="application/vnd.openxmlformats-officedocument.{}"/>'
    defaults = '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Default Extension="xml" ContentType="application/xml"/>'
    return DECLARATION + '<Types xmlns="{}">{}{}</Types>'.format(
        TYPES, defaults, "".join(one.format(*part) for part in overrides)
    )


def styles_xml() -> str:
    formats = "".join(
        '<numFmt numFmtId="{}" formatCode={}/>'.format(164 + index, quoteattr(code))
        for index, code in enumerate(FORMATS[1:], 1)
    )
    cells = "".join(
        '<xf numFmtId="{}" fontId="0" fillId="0" borderId="0" xfId="0" applyNumberFormat="1"/>'.format(
            164 + index if index else 0
        )
        for index in range(len(FORMATS))
    )
    text = (
        '<styleSheet xmlns="{}"><numFmts count="{}">{}</numFmts><fonts count="1"><font/></fonts><fills count="1"><fill><patternFill patternType="none"/></fill></fills>'
        '<borders count="1"><border/></borders><cellStyleXfs count="1"><xf numFmtId="0"/></cellStyleXfs><cellXfs count="{}">{}</cellXfs></styleSheet>'
    )
    return DECLARATION + text.format(MAIN, len(FORMATS) - 1, formats, len(FORMATS), cells)


def strings_xml(shared: Sequence[str], claimed: int) -> str:
    inner = "".join('<si><t xml:space="preserve">{}</t></si>'.format(escape(text)) for text in shared)
    return DECLARATION + '<sst xmlns="{}" count="{}" uniqueCount="{}">{}</sst>'.format(MAIN, claimed, claimed, inner)


def table_xml(index: int, sheet: Sheet) -> str:
    name, area = sheet.table or ("", "")
    start, end = (place_of(corner) for corner in area.split(":"))
    header = sheet.rows[start[0] - sheet.at[0]][start[1] - sheet.at[1] : end[1] - sheet.at[1] + 1]
    columns = "".join(
        '<tableColumn id="{}" name={}/>'.format(number, quoteattr(str(title))) for number, title in enumerate(header, 1)
    )
    text = '<table xmlns="{}" id="{}" name={} displayName={} ref={} totalsRowShown="0"><tableColumns count="{}">{}</tableColumns></table>'
    return DECLARATION + text.format(
        MAIN, index, quoteattr(name), quoteattr(name), quoteattr(area), len(header), columns
    )

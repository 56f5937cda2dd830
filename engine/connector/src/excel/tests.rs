//! Workbooks as people and programs make them, whole and broken.

use std::fs;
use std::io::{Cursor, Write};

use arrow::array::{
    ArrayRef, AsArray, BooleanArray, Date32Array, Float64Array, StringArray, TimestampMillisecondArray,
};
use arrow::array::{DurationMillisecondArray, Int64Array, Time32MillisecondArray};
use arrow::compute::cast;
use arrow::datatypes::TimeUnit;
use arrow::util::display::array_value_to_string;
use proptest::prelude::*;
use rust_xlsxwriter::{ExcelDateTime, Format, Formula, Table, TableColumn, TableFunction, Workbook as Writer};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::*;

type Options<'a> = &'a [(&'a str, &'a str)];

fn type_of(word: &str) -> Result<DataType> {
    Ok(match word {
        "BIGINT" => DataType::Int64,
        "TEXT" => DataType::Utf8,
        "DATE" => DataType::Date32,
        other => return Err(Error::new(ErrorCode::TypeMismatch, other)),
    })
}

fn read(bytes: &[u8], options: Options<'_>) -> Result<ExcelSheet> {
    let dir = tempfile::tempdir().unwrap();
    // The name says nothing.
    let path = dir.path().join("book.csv");
    fs::write(&path, bytes).unwrap();
    let options = options.iter().fold(ReadOptions::new(), |options, (key, value)| options.with(key, *value));
    open_excel(&FileAccess::default(), path.to_str().unwrap(), &options, &type_of)
}

fn code(bytes: &[u8], options: Options<'_>) -> ErrorCode {
    read(bytes, options).unwrap_err().code()
}

/// The names and types of the columns, then the rows.
fn shown(bytes: &[u8], options: Options<'_>) -> Vec<String> {
    lines(&read(bytes, options).unwrap())
}

fn lines(sheet: &ExcelSheet) -> Vec<String> {
    let columns = sheet.schema.fields().iter().map(|field| format!("{} {}", field.name(), field.data_type()));
    let mut lines = vec![columns.collect::<Vec<_>>().join(", ")];
    for batch in &sheet.batches {
        for row in 0..batch.num_rows() {
            let cell = |column: &ArrayRef| {
                if column.is_null(row) { "NULL".to_owned() } else { array_value_to_string(column, row).unwrap() }
            };
            lines.push(batch.columns().iter().map(cell).collect::<Vec<_>>().join("|"));
        }
    }
    lines
}

/// A workbook by rust_xlsxwriter.
fn written(fill: impl FnOnce(&mut Writer)) -> Vec<u8> {
    let mut book = Writer::new();
    fill(&mut book);
    book.save_to_buffer().unwrap()
}

fn zipped(parts: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
    for (name, content) in parts {
        zip.start_file(*name, options).unwrap();
        zip.write_all(content).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

const RELATIONS: &str = r#"<Relationships>
<Relationship Id="r1" Type="http://x/worksheet" Target="worksheets/sheet1.xml"/>
<Relationship Id="r2" Type="http://x/styles" Target="styles.xml"/>
<Relationship Id="r3" Type="http://x/sharedStrings" Target="sharedStrings.xml"/></Relationships>"#;
/// Styles 1 to 4: a date, a date and time, a time, a duration.
const STYLES: &str = r#"<styleSheet><numFmts><numFmt numFmtId="164" formatCode="yyyy\-mm\-dd"/></numFmts>
<cellStyleXfs><xf numFmtId="22"/></cellStyleXfs>
<cellXfs><xf numFmtId="0"/><xf numFmtId="164"/><xf numFmtId="22"/><xf numFmtId="20"/><xf numFmtId="46"/></cellXfs></styleSheet>"#;

/// A workbook of one sheet with these rows, and these shared texts.
fn handmade(properties: &str, rows: &str, texts: &str) -> Vec<u8> {
    let book = format!(r#"<workbook>{properties}<sheets><sheet name="S" r:id="r1"/></sheets></workbook>"#);
    let sheet = format!("<worksheet><sheetData>{rows}</sheetData></worksheet>");
    zipped(&[
        ("xl/workbook.xml", book.as_bytes()),
        ("xl/_rels/workbook.xml.rels", RELATIONS.as_bytes()),
        ("xl/styles.xml", STYLES.as_bytes()),
        ("xl/sharedStrings.xml", texts.as_bytes()),
        ("xl/worksheets/sheet1.xml", sheet.as_bytes()),
    ])
}

/// A workbook whose only column has these cells, below the name `a`.
fn column(properties: &str, cells: &[&str]) -> Vec<u8> {
    let rows: String = cells.iter().map(|cell| format!("<row>{cell}</row>")).collect();
    handmade(properties, &format!("<row><c t='inlineStr'><is><t>a</t></is></c></row>{rows}"), "<sst/>")
}

#[test]
fn the_type_of_a_column_is_that_of_all_its_cells() {
    let book = written(|book| {
        let date = Format::new().set_num_format("yyyy-mm-dd");
        let moment = Format::new().set_num_format("yyyy-mm-dd hh:mm");
        let time = Format::new().set_num_format("hh:mm:ss");
        let duration = Format::new().set_num_format("[h]:mm:ss");
        let day = ExcelDateTime::from_ymd(2024, 7, 1).unwrap();
        let sheet = book.add_worksheet();
        for (column, name) in ["int", "float", "mix", "bool", "day", "moment", "time", "long"].iter().enumerate() {
            sheet.write(0, u16::try_from(column).unwrap(), *name).unwrap();
        }
        sheet.write(1, 0, 1.0).unwrap().write(2, 0, 2).unwrap();
        sheet.write(1, 1, 2).unwrap().write(2, 1, 1.5).unwrap();
        sheet.write(1, 2, 7.0).unwrap().write_with_format(2, 2, &day, &date).unwrap().write(3, 2, "x").unwrap();
        sheet.write(1, 3, true).unwrap();
        sheet.write_with_format(1, 4, &day, &date).unwrap();
        sheet.write_with_format(1, 5, day.clone().and_hms(12, 30, 0).unwrap(), &moment).unwrap();
        sheet.write_with_format(2, 5, &day, &date).unwrap();
        sheet.write_with_format(1, 6, 0.5, &time).unwrap();
        sheet.write_with_format(1, 7, 1.25, &duration).unwrap().write_with_format(2, 7, 0.25, &time).unwrap();
    });
    let sheet = read(&book, &[]).unwrap();
    assert_eq!(
        lines(&sheet),
        [
            "int Int64, float Float64, mix Utf8View, bool Boolean, day Date32, moment Timestamp(µs), time Time64(µs), long Duration(µs)",
            "1|2.0|7|true|2024-07-01|2024-07-01T12:30:00|12:00:00|P1DT6H",
            "2|1.5|2024-07-01|NULL|NULL|2024-07-01T00:00:00|NULL|PT6H",
            "NULL|NULL|x|NULL|NULL|NULL|NULL|NULL",
        ]
        .map(|line| line.replace("P1DT6H", &duration_text(108_000)).replace("PT6H", &duration_text(21_600)))
    );
    assert_eq!(sheet.warnings, ["column mix has values of several types, which are kept as text"]);
    assert_eq!(
        shown(&book, &[("all_text", "true"), ("range", "C1:E3")]),
        ["mix Utf8View, bool Utf8View, day Utf8View", "7|TRUE|2024-07-01", "2024-07-01|NULL|NULL"]
    );
    assert_eq!(shown(&book, &[("date_format", "%d.%m.%y"), ("range", "E1:E2")]), ["day Utf8", "01.07.24"]);
}

#[test]
fn a_text_of_nothing_is_a_text_among_texts_and_nothing_among_values() {
    let nothing =
        ["<c t='s'><v>0</v></c>", "<c t='str'><f>\"\"</f><v></v></c>", "<c t='inlineStr'><is><t></t></is></c>"];
    for nothing in nothing {
        let book = |value: &str| {
            let cells = ["<c/>", nothing, value, nothing, nothing].map(|cell| format!("<row>{cell}</row>")).concat();
            let header = "<row><c t='inlineStr'><is><t>a</t></is></c></row>";
            handmade("", &format!("{header}{cells}"), "<sst><si><t></t></si></sst>")
        };
        let text = "<c t='inlineStr'><is><t>x</t></is></c>";
        // What shows nothing at the end is no row.
        assert_eq!(shown(&book(text), &[]), ["a Utf8View", "NULL", "", "x"]);
        assert_eq!(shown(&book("<c><v>7</v></c>"), &[]), ["a Int64", "NULL", "NULL", "7"]);
        assert_eq!(
            shown(&book("<c><v>7</v></c>"), &[("types", r#"{"a": "BIGINT"}"#)]),
            ["a Int64", "NULL", "NULL", "7"]
        );
    }
}

fn duration_text(seconds: i64) -> String {
    let array = arrow::array::DurationMicrosecondArray::from(vec![seconds * 1_000_000]);
    array_value_to_string(&array, 0).unwrap()
}

#[test]
fn integers_beyond_53_bits_are_never_rounded() {
    let book = column("", &["<c><v>9007199254740993</v></c>", "<c><v>1</v></c>", "<c><v>12345678901234567890</v></c>"]);
    let sheet = read(&book, &[]).unwrap();
    assert_eq!(lines(&sheet), ["a Utf8View", "9007199254740993", "1", "12345678901234567890"]);
    assert_eq!(sheet.warnings, ["column a has integers beyond 2^53, which are kept as text"]);
    let book = column("", &["<c><v>9007199254740993</v></c>"]);
    assert_eq!(shown(&book, &[("types", r#"{"a": "BIGINT"}"#)]), ["a Int64", "9007199254740993"]);
    let book = column("", &["<c><v>7.0</v></c>", "<c><v>-0</v></c>", "<c><v>1E+20</v></c>"]);
    assert_eq!(shown(&book, &[]), ["a Float64", "7.0", "-0.0", "1e20"]);
}

#[test]
fn dates_are_counted_from_both_epochs() {
    let cells = ["59", "60", "61"].map(|day| format!("<c s='1'><v>{day}</v></c>"));
    let cells = cells.each_ref().map(String::as_str);
    let text = ["a Utf8View", "1900-02-28", "1900-02-29", "1900-03-01"];
    assert_eq!(shown(&column("", &cells), &[]), text);
    let book = column("<workbookPr date1904='1'/>", &cells);
    assert_eq!(shown(&book, &[]), ["a Date32", "1904-02-29", "1904-03-01", "1904-03-02"]);
    let book = column("", &["<c s='1'><v>-5</v></c>", "<c s='4'><v>-0.5</v></c>", "<c t='d'><v>2024-07-01</v></c>"]);
    assert_eq!(shown(&book, &[]), ["a Utf8View", "-5", "-12:00:00", "2024-07-01"]);
}

#[test]
fn errors_and_formulas_without_a_value_are_counted() {
    let cells =
        ["<c><v>1</v></c>", "<c t='e'><v>#DIV/0!</v></c>", "<c><f>A1</f></c>", "<c t='str'><f>A1</f><v></v></c>"];
    let book = column("", &[&cells[..], &["<c><v>2</v></c>"]].concat());
    let sheet = read(&book, &[]).unwrap();
    assert_eq!(lines(&sheet), ["a Int64", "1", "NULL", "NULL", "NULL", "2"]);
    assert_eq!(sheet.warnings.len(), 2, "{:?}", sheet.warnings);
    assert_eq!(shown(&book, &[("errors", "text")])[2], "#DIV/0!");
    let error = read(&book, &[("errors", "raise")]).unwrap_err();
    assert!(error.message().ends_with("sheet S: A3: the cell has the error #DIV/0!"), "{error}");
}

#[test]
fn a_value_of_another_type_than_was_given_is_named_by_its_cell() {
    let book = column("", &["<c><v>1</v></c>", "<c><v>7.5</v></c>"]);
    let error = read(&book, &[("types", r#"{"a": "BIGINT"}"#)]).unwrap_err();
    assert_eq!(error.code(), ErrorCode::Cast);
    assert!(error.message().ends_with("sheet S: A3: cannot read '7.5' in column a as Int64"), "{error}");
    assert_eq!(code(&book, &[("types", r#"{"b": "BIGINT"}"#)]), ErrorCode::InvalidArgument);
}

#[test]
fn texts_are_what_the_spreadsheet_shows() {
    let texts = "<sst count='4000000000' uniqueCount='4000000000'><si><t xml:space='preserve'> a&amp;b </t></si>
        <si><r><t>rich</t></r><r><t>er</t></r><rPh><t>phonetic</t></rPh></si><si/></sst>";
    let rows = "<row><c t='s'><v>1</v></c></row><row r='3'><c r='A3' t='s'><v>0</v></c></row>
        <row><c t='str'><v>x_x000D_y</v></c></row><row><c t='s'><v>2</v></c></row><row><c t='inlineStr'><is><r><t>in</t></r><r><t>line</t></r></is></c></row>";
    assert_eq!(shown(&handmade("", rows, texts), &[]), ["richer Utf8View", "NULL", " a&b ", "x\ry", "", "inline"]);
    let error = read(&handmade("", "<row r='2'><c r='B2' t='s'><v>7</v></c></row>", texts), &[]).unwrap_err();
    assert!(error.message().ends_with("cell B2 refers to a text that is not there"), "{error}");
}

#[test]
fn a_title_above_the_table_is_skipped_and_said() {
    let book = written(|book| {
        let sheet = book.add_worksheet();
        sheet.write(1, 1, "Report").unwrap().write(2, 1, "by Alice").unwrap();
        sheet.write_row(4, 1, ["name", "city"]).unwrap().write(4, 4, "name").unwrap();
        sheet.write_row(5, 1, ["a", "b"]).unwrap().write(5, 3, 5).unwrap().write(5, 4, 1).unwrap();
    });
    assert_eq!(code(&book, &[]), ErrorCode::DuplicateColumn);
    let sheet = read(&book, &[("duplicates", "suffix")]).unwrap();
    assert_eq!(lines(&sheet), ["name Utf8View, city Utf8View, column_3 Int64, name_2 Int64", "a|b|5|1"]);
    assert!(
        sheet.warnings[0].starts_with("rows 2 to 4 look like a title: the header is taken from row 5"),
        "{:?}",
        sheet.warnings
    );
    assert_eq!(
        shown(&book, &[("header_row", "2")])[0],
        "Report Utf8View, column_2 Utf8View, column_3 Int64, column_4 Utf8View"
    );
    assert_eq!(
        shown(&book, &[("header", "false"), ("range", "B6:C6"), ("columns", r#"["x", "y"]"#)]),
        ["x Utf8View, y Utf8View", "a|b"]
    );
    assert_eq!(code(&book, &[("header_row", "99")]), ErrorCode::InvalidArgument);
}

#[test]
fn sheets_tables_and_merged_cells() {
    let book = written(|book| {
        book.add_worksheet().set_name("secret").unwrap().set_hidden(true).write(0, 0, "hidden").unwrap();
        let sheet = book.add_worksheet();
        // A book cannot open with a hidden sheet.
        sheet.set_active(true).set_name("员工").unwrap().write_row(0, 0, ["g", "v"]).unwrap();
        sheet.merge_range(1, 0, 2, 0, "a", &Format::new()).unwrap();
        sheet.write(1, 1, 1).unwrap().write(2, 1, 2).unwrap();
        sheet.write_column(6, 3, [1, 2]).unwrap();
        let total = TableColumn::new().set_header("n").set_total_function(TableFunction::Sum);
        sheet.add_table(5, 3, 8, 3, &Table::new().set_name("Sales").set_columns(&[total]).set_total_row(true)).unwrap();
        book.add_worksheet().set_name("empty").unwrap();
    });
    assert_eq!(shown(&book, &[("range", "A:B")])[..3], ["g Utf8View, v Int64", "a|1", "NULL|2"]);
    assert_eq!(shown(&book, &[("range", "A1:B3"), ("fill_merged", "true")]), ["g Utf8View, v Int64", "a|1", "a|2"]);
    assert_eq!(shown(&book, &[("sheet", "secret")]), ["hidden Utf8View"]);
    assert_eq!(shown(&book, &[("sheet", "0"), ("hidden", "true")]), ["hidden Utf8View"]);
    assert_eq!(shown(&book, &[("sheet", "1")]), [""]);
    assert_eq!(shown(&book, &[("table", "sales")]), ["n Int64", "1", "2"]);
    assert_eq!(read(&book, &[("table", "sales"), ("totals_row", "keep")]).unwrap().batches[0].num_rows(), 3);
    for (option, name) in [("sheet", "nope"), ("sheet", "2"), ("table", "nope")] {
        let error = read(&book, &[(option, name)]).unwrap_err();
        assert_eq!(error.message(), format!("{option} not found: {name}"));
        assert!(
            error.hint().unwrap().contains(if option == "sheet" { "secret, 员工, empty" } else { "Sales" }),
            "{error:?}"
        );
    }
    let formula = written(|book| {
        let sheet = book.add_worksheet();
        sheet.write(0, 0, "f").unwrap().write(1, 0, Formula::new("=1+1").set_result("2")).unwrap();
    });
    assert_eq!(shown(&formula, &[]), ["f Int64", "2"]);
}

#[test]
fn what_a_file_claims_is_not_allocated() {
    let far = "<row r='1'><c r='A1'><v>1</v></c></row><row r='1048576'><c r='XFD1048576'><v>1</v></c><c r='A1048576'><v>1</v></c></row>";
    let columns: String =
        (0..200).map(|column| format!("<c r='{}1048576'><v>1</v></c>", reference::column_name(column))).collect();
    assert!(read(&handmade("", far, "<sst/>"), &[]).is_ok());
    let error = read(&handmade("", &format!("<row r='1048576'>{columns}</row>"), "<sst/>"), &[]).unwrap_err();
    assert!(error.message().ends_with("the used cells of the sheet span more than 50000000 cells"), "{error}");
    let bomb = vec![b' '; 20 << 20];
    assert_eq!(code(&handmade("", "", std::str::from_utf8(&bomb).unwrap()), &[]), ErrorCode::MalformedFile);
    let names: Vec<String> = (0..10_001).map(|part| format!("p{part}")).collect();
    let parts: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), &b""[..])).collect();
    assert_eq!(code(&zipped(&parts), &[]), ErrorCode::MalformedFile);
}

#[test]
fn sheets_that_cannot_be_are_errors() {
    for rows in [
        "<row r='0'><c><v>1</v></c></row>",
        "<row><c r='XFE1'><v>1</v></c></row>",
        "<row><c r='A0'><v>1</v></c></row>",
        "<row><c t='b'><v>2</v></c></row>",
        "<row><c t='zz'><v>2</v></c></row>",
        "<row><c t='s'><v>0</v></c></row>",
        "<row><c>",
        "</sheetData></worksheet></x>",
        "<!DOCTYPE a [<!ENTITY b 'c'>]>",
    ] {
        assert_eq!(code(&handmade("", rows, "<sst/>"), &[]), ErrorCode::MalformedFile, "{rows}");
    }
    let no_sheet = zipped(&[("xl/workbook.xml", b"<workbook/>")]);
    assert_eq!(code(&no_sheet, &[]), ErrorCode::MalformedFile);
}

/// An ods workbook whose only sheet has these rows.
fn open_document(rows: &str) -> Vec<u8> {
    let content = format!(
        "<office:document-content><office:body><office:spreadsheet><table:table table:name='S'>{rows}</table:table>\
         </office:spreadsheet></office:body></office:document-content>"
    );
    zipped(&[
        ("mimetype", b"application/vnd.oasis.opendocument.spreadsheet"),
        ("META-INF/manifest.xml", b"<manifest:manifest></manifest:manifest>"),
        ("content.xml", content.as_bytes()),
    ])
}

#[test]
fn open_document_sheets_are_read_too() {
    let cell = |kind: &str, value: &str, text: &str| {
        format!("<table:table-cell office:value-type='{kind}' {value}><text:p>{text}</text:p></table:table-cell>")
    };
    let name = |text: &str| cell("string", "", text);
    let header = [name("n"), name("d"), name("t"), name("b")].concat();
    let values = [
        cell("float", "office:value='1.5'", "1.5"),
        cell("date", "office:date-value='2024-07-01'", "01.07.24"),
        cell("time", "office:time-value='PT36H00M00S'", "36:00"),
        cell("boolean", "office:boolean-value='true'", "TRUE"),
    ]
    .concat();
    let rows = format!("<table:table-row>{header}</table:table-row><table:table-row>{values}</table:table-row>");
    let lines = shown(&open_document(&rows), &[]);
    assert_eq!(lines[0], "n Float64, d Date32, t Duration(µs), b Boolean");
    assert_eq!(lines[1], format!("1.5|2024-07-01|{}|true", duration_text(129_600)));
    let repeated = "<table:table-row table:number-rows-repeated='1000000'>\
        <table:table-cell table:number-columns-repeated='1000' office:value-type='float' office:value='1'/></table:table-row>";
    let error = read(&open_document(repeated), &[]).unwrap_err();
    assert!(error.message().ends_with("content.xml has more cells than are read"), "{error}");
}

#[test]
fn what_is_no_workbook_is_called_what_it_is() {
    for (content, what) in [
        (&b"<html><table></table></html>"[..], "an HTML page"),
        (b"a,b\n1,2\n", "text, perhaps CSV"),
        (b"{\"a\": 1}", "JSON"),
        (b"%PDF-1.7", "a PDF document"),
        (b"\x1f\x8b\x08", "a gzip file"),
        (b"\x00\x01\x02", "unknown binary data"),
        (&zipped(&[("a.txt", b"x")]), "a zip archive of 1 files (a.txt)"),
        (&zipped(&[("word/document.xml", b"<a/>")]), "a Word document"),
    ] {
        let error = read(content, &[]).unwrap_err();
        assert_eq!(error.code(), ErrorCode::MalformedFile);
        assert!(error.message().ends_with(&format!("is not a workbook but {what}")), "{error}");
    }
    assert_eq!(code(b"", &[]), ErrorCode::EmptyFile);
    let mut compound = vec![0xD0, 0xCF, 0x11, 0xE0, 0xA1, 0xB1, 0x1A, 0xE1];
    assert_eq!(code(&compound, &[]), ErrorCode::MalformedFile);
    compound.extend("EncryptedPackage".encode_utf16().flat_map(u16::to_le_bytes));
    assert_eq!(code(&compound, &[]), ErrorCode::Unsupported);
}

fn sample() -> Vec<u8> {
    written(|book| {
        let sheet = book.add_worksheet();
        for row in 0..200 {
            sheet.write(row, 0, row).unwrap().write(row, 1, format!("text {row}")).unwrap();
            sheet.write(row, 2, f64::from(row) / 3.0).unwrap().write(row, 3, row % 2 == 0).unwrap();
        }
    })
}

#[test]
fn a_workbook_that_is_cut_anywhere_is_an_error() {
    let book = sample();
    for length in (0..book.len()).step_by(64) {
        let code = code(&book[..length], &[]);
        assert!(matches!(code, ErrorCode::MalformedFile | ErrorCode::EmptyFile), "{length}: {code}");
    }
}

#[test]
fn flipped_bits_give_an_error_or_the_same_rows() {
    let book = sample();
    let whole = shown(&book, &[("header", "false")]);
    let mut seed = 0x9E37_79B9_7F4A_7C15_u64;
    for _ in 0..300 {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let bit = usize::try_from(seed >> 20).unwrap() % (book.len() * 8);
        let mut flipped = book.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        match read(&flipped, &[("header", "false")]) {
            // What stands outside of the content, such as the time of a part, may change.
            Ok(sheet) => assert_eq!(lines(&sheet), whole, "bit {bit}"),
            Err(error) => assert!(
                matches!(error.code(), ErrorCode::MalformedFile | ErrorCode::Unsupported | ErrorCode::InvalidArgument),
                "bit {bit}: {error}"
            ),
        }
    }
}

fn round_trip(columns: Vec<(&str, ArrayRef)>) -> ExcelSheet {
    let batch =
        RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, array)| (name, array, true))).unwrap();
    let mut writer = ExcelWriter::new(&batch.schema()).unwrap();
    writer.write(&batch).unwrap();
    let mut bytes = Vec::new();
    writer.finish(&mut bytes).unwrap();
    read(&bytes, &[]).unwrap()
}

#[test]
fn what_a_cell_cannot_hold_is_written_as_text() {
    let sheet = round_trip(vec![
        ("big", Arc::new(Int64Array::from(vec![i64::MAX, 1]))),
        ("nan", Arc::new(Float64Array::from(vec![f64::NAN, 0.5]))),
        ("formula", Arc::new(StringArray::from(vec!["=1+1", "@x"]))),
        ("old", Arc::new(Date32Array::from(vec![-100_000, 0]))),
        ("micro", Arc::new(arrow::array::TimestampMicrosecondArray::from(vec![1, 1000]))),
        (
            "list",
            Arc::new(arrow::array::ListArray::from_iter_primitive::<arrow::datatypes::Int64Type, _, _>([
                Some([Some(1)]),
                None,
            ])),
        ),
    ]);
    assert_eq!(
        lines(&sheet)[1..],
        [
            "9223372036854775807|NaN|=1+1|1696-03-17|1970-01-01T00:00:00.000001|[1]",
            "1|0.5|@x|1970-01-01|1970-01-01 00:00:00.001|NULL"
        ]
    );
    let long: ArrayRef = Arc::new(StringArray::from(vec!["x".repeat(32_768)]));
    let batch = RecordBatch::try_from_iter([("a", long)]).unwrap();
    let error = ExcelWriter::new(&batch.schema()).unwrap().write(&batch).unwrap_err();
    assert_eq!((error.code(), error.message()), (ErrorCode::Unsupported, "cell A2: a text of 32768 characters"));
    let fields: Vec<Field> = (0..16_385).map(|column| Field::new(column.to_string(), DataType::Int64, true)).collect();
    assert_eq!(ExcelWriter::new(&Schema::new(fields)).unwrap_err().code(), ErrorCode::Unsupported);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn what_is_written_is_read_again(
        rows in prop::collection::vec(
            (
                prop::option::of(-9_007_199_254_740_991_i64..9_007_199_254_740_992),
                prop::option::of(prop::num::f64::NORMAL | prop::num::f64::ZERO),
                prop::option::of("\\PC{1,20}|[ \t\r\n_x0-9D&<>'\"]{1,9}"),
                prop::option::of(any::<bool>()),
                prop::option::of(-25_567_i32..2_932_896),
                prop::option::of(-2_208_988_800_000_i64..253_402_300_799_999),
                prop::option::of(0_i32..86_400_000),
                prop::option::of(-1_000_000_000_000_i64..1_000_000_000_000),
            ),
            1..20,
        )
    ) {
        let columns: Vec<(&str, ArrayRef)> = vec![
            ("i", Arc::new(Int64Array::from_iter(rows.iter().map(|row| row.0)))),
            // One that is not whole, so that the column is one of floats.
            ("f", Arc::new(Float64Array::from_iter(rows.iter().map(|row| row.1.map(|value| if value.fract() == 0.0 { 0.5 } else { value }))))),
            ("s", Arc::new(StringArray::from_iter(rows.iter().map(|row| row.2.clone())))),
            ("b", Arc::new(BooleanArray::from_iter(rows.iter().map(|row| row.3)))),
            ("d", Arc::new(Date32Array::from_iter(rows.iter().map(|row| row.4)))),
            ("t", Arc::new(TimestampMillisecondArray::from_iter(rows.iter().map(|row| row.5)))),
            ("m", Arc::new(Time32MillisecondArray::from_iter(rows.iter().map(|row| row.6)))),
            ("l", Arc::new(DurationMillisecondArray::from_iter(rows.iter().map(|row| row.7)))),
            ("n", Arc::new(Int64Array::from_iter_values(0..i64::try_from(rows.len()).unwrap()))),
        ];
        let types = [
            DataType::Int64,
            DataType::Float64,
            DataType::Utf8View,
            DataType::Boolean,
            DataType::Date32,
            DataType::Timestamp(TimeUnit::Microsecond, None),
            DataType::Time64(TimeUnit::Microsecond),
            DataType::Duration(TimeUnit::Microsecond),
            DataType::Int64,
        ];
        let sheet = round_trip(columns.clone());
        let batch = &sheet.batches[0];
        for (((name, array), data_type), read) in columns.iter().zip(&types).zip(batch.columns()) {
            // A column without values is one of text.
            if array.null_count() < array.len() {
                prop_assert_eq!(read.data_type(), data_type, "{} {:?}", name, sheet.warnings);
                let wanted = cast(array, data_type).unwrap();
                prop_assert_eq!(read, &wanted, "{}", name);
            } else {
                prop_assert_eq!(read.null_count(), array.len());
            }
        }
        prop_assert_eq!(batch.column(8).as_primitive::<arrow::datatypes::Int64Type>().len(), rows.len());
    }
}

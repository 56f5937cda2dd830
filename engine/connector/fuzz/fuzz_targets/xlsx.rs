//! Any bytes that are called a workbook are a table or an error: reading never panics, hangs, or allocates what they claim.
//!
//! Bytes that begin with a bar are the parts of a workbook, between bars: a sheet, the shared texts, the workbook itself
//! and the styles. A fuzzer does not come past the checksums of a zip archive otherwise.
#![no_main]

use std::io::{Cursor, Write};
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use tempfile::TempDir;
use velaria::{ErrorCode, Session, SessionConfig, wait};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

static FOLDER: LazyLock<TempDir> = LazyLock::new(|| tempfile::tempdir().unwrap());
static SESSION: LazyLock<Session> = LazyLock::new(|| Session::new(SessionConfig::default().with_threads(1)).unwrap());

const BAR: u8 = b'|';
const PARTS: [&str; 4] = ["xl/worksheets/sheet1.xml", "xl/sharedStrings.xml", "xl/workbook.xml", "xl/styles.xml"];
const LINKS: [(&str, &str); 2] = [
    (
        "_rels/.rels",
        r#"<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" Target="xl/workbook.xml"/></Relationships>"#,
    ),
    (
        "xl/_rels/workbook.xml.rels",
        r#"<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet" Target="worksheets/sheet1.xml"/><Relationship Id="rId2" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/sharedStrings" Target="sharedStrings.xml"/><Relationship Id="rId3" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/styles" Target="styles.xml"/></Relationships>"#,
    ),
];
const BOOK: &str = r#"<workbook xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main" xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"><sheets><sheet name="Sheet1" sheetId="1" r:id="rId1"/></sheets></workbook>"#;

fuzz_target!(|bytes: &[u8]| {
    let book = match bytes.split_first() {
        Some((&BAR, parts)) => packed(parts),
        _ => bytes.to_vec(),
    };
    let path = FOLDER.path().join("fuzzed.xlsx");
    std::fs::write(&path, book).unwrap();
    let statement = format!("SELECT * FROM '{}'", path.display());
    let read = wait(async move { SESSION.sql(&statement).await?.collect().await }, || Ok(()));
    if let Err(error) = read {
        assert_ne!(error.code(), ErrorCode::Internal, "{error}");
    }
});

/// A workbook of the parts between bars; the workbook itself has a usual one in its place.
fn packed(parts: &[u8]) -> Vec<u8> {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    let mut add = |name: &str, content: &[u8]| {
        archive.start_file(name, SimpleFileOptions::default()).unwrap();
        archive.write_all(content).unwrap();
    };
    for (name, content) in LINKS {
        add(name, content.as_bytes());
    }
    let mut given = parts.split(|byte| *byte == BAR);
    for name in PARTS {
        match given.next().filter(|part| !part.is_empty()) {
            Some(part) => add(name, part),
            None if name == "xl/workbook.xml" => add(name, BOOK.as_bytes()),
            None => {}
        }
    }
    archive.finish().unwrap().into_inner()
}

//! Any parts in a sound archive are a workbook or an error: the fuzzer changes the XML and not the compressed bytes of it.
#![no_main]

use std::io::Write;

use libfuzzer_sys::fuzz_target;
use velaria_connector::{FileAccess, ReadOptions, open_excel};
use velaria_contract::{Error, ErrorCode};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

const BOOK: &str = r#"<workbook><sheets><sheet name="S" r:id="r1"/></sheets></workbook>"#;
const RELATIONS: &str = r#"<Relationships><Relationship Id="r1" Type="/worksheet" Target="sheet.xml"/>
<Relationship Id="r2" Type="/styles" Target="styles.xml"/>
<Relationship Id="r3" Type="/sharedStrings" Target="sharedStrings.xml"/></Relationships>"#;

fuzz_target!(|parts: (&[u8], &[u8], &[u8], bool)| {
    let (sheet, styles, texts, fill_merged) = parts;
    let file = tempfile::NamedTempFile::new().unwrap();
    let mut zip = ZipWriter::new(file.as_file());
    for (name, content) in [
        ("xl/workbook.xml", BOOK.as_bytes()),
        ("xl/_rels/workbook.xml.rels", RELATIONS.as_bytes()),
        ("xl/sheet.xml", sheet),
        ("xl/styles.xml", styles),
        ("xl/sharedStrings.xml", texts),
    ] {
        zip.start_file(name, SimpleFileOptions::default()).unwrap();
        zip.write_all(content).unwrap();
    }
    zip.finish().unwrap();
    let options = ReadOptions::new().with("fill_merged", fill_merged.to_string()).with("max_cells", "1000000");
    let type_of = |word: &str| Err(Error::new(ErrorCode::TypeMismatch, word));
    let _ = open_excel(&FileAccess::default(), file.path().to_str().unwrap(), &options, &type_of);
});

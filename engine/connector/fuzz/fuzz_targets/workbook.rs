//! Any bytes are a workbook or an error: reading them never panics, hangs or allocates what they claim.
#![no_main]

use libfuzzer_sys::fuzz_target;
use velaria_connector::{FileAccess, ReadOptions, open_excel};
use velaria_contract::{Error, ErrorCode};

fuzz_target!(|bytes: &[u8]| {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), bytes).unwrap();
    let type_of = |word: &str| Err(Error::new(ErrorCode::TypeMismatch, word));
    let _ = open_excel(&FileAccess::default(), file.path().to_str().unwrap(), &ReadOptions::new(), &type_of);
});

//! Keeps the malformed rows of a file.

use std::io::Write;
use std::path::Path;

use velaria_contract::{Error, ErrorCode, Result};

use crate::csv::CsvRejects;
use crate::stream::fault::cannot_write;
use crate::{CsvStyle, CsvWriter, DurableFs, OsFs};

/// A longer name would be too long with an ending.
const NAME_BYTES_MAX: usize = 200;

/// The malformed rows of one file.
#[derive(Debug, Default)]
pub(super) struct Kept {
    pub(super) rows: u64,
    /// The place of the first one, with what is wrong.
    pub(super) first: Option<String>,
}

/// Counts the rows, and writes them to a file of `folder` that is called after the file they are from. Done again it is the same.
pub(super) fn keep(rejects: &CsvRejects, name: &str, folder: Option<&Path>) -> Result<Kept> {
    let mut kept = Kept::default();
    let mut text = CsvWriter::new(Vec::new(), CsvStyle::default());
    for batch in rejects.batches() {
        let batch = batch?;
        if kept.first.is_none() {
            kept.first = rejects.first(&batch);
            text.write_header(batch.schema_ref()).map_err(no_text)?;
        }
        kept.rows += batch.num_rows() as u64;
        if folder.is_some() {
            text.write(&batch).map_err(no_text)?;
        }
    }
    match folder {
        Some(folder) if kept.rows > 0 => write(folder, name, &text.finish().map_err(no_text)?)?,
        _ => {}
    }
    Ok(kept)
}

fn no_text(error: impl std::fmt::Display) -> Error {
    Error::new(ErrorCode::Internal, format!("cannot write a malformed row: {error}"))
}

fn write(folder: &Path, name: &str, text: &[u8]) -> Result<()> {
    let path = folder.join(format!("{}.rejects.csv", short(name)));
    let temporary = path.with_extension("tmp");
    let written = || -> std::io::Result<()> {
        OsFs.create_dir_all(folder)?;
        let mut file = OsFs.create(&temporary)?;
        file.write_all(text)?;
        file.sync()?;
        OsFs.rename(&temporary, &path)?;
        OsFs.sync_dir(folder)
    };
    written().map_err(|error| cannot_write(&path, error))
}

fn short(name: &str) -> String {
    match name.len() {
        0..=NAME_BYTES_MAX => name.to_owned(),
        _ => format!("{}-{:08x}", &name[..name.floor_char_boundary(NAME_BYTES_MAX)], crc32fast::hash(name.as_bytes())),
    }
}

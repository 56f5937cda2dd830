//! Parquet files.

use std::io::{self, Read, Seek, SeekFrom};
use std::sync::Arc;

use datafusion::catalog::Session;
use datafusion::datasource::file_format::parquet::ParquetFormat;
use velaria_contract::{Error, ErrorCode, Result};

use crate::{FileTable, LocalFile};

/// The names of the options of Parquet: there are none.
pub const PARQUET_OPTIONS: [&str; 0] = [];

const MAGIC: &[u8; 4] = b"PAR1";
/// The length of the metadata (4 bytes, little-endian) and the magic stand at the very end of the file.
const FOOTER_BYTES: u64 = 8;

/// Opens a Parquet file; only its footer is read.
pub(crate) async fn open(state: &dyn Session, file: LocalFile) -> Result<FileTable> {
    check_footer(&file)?;
    let options = state.default_table_options().parquet;
    // Where a scan has no filter of its own, the rows of a column are only decoded if a join that was built before wants
    // them. A filter of the statement is applied to whole batches: most let too many rows pass for skipping to pay.
    let mut joined = options.clone();
    joined.global.pushdown_filters = true;
    let format = |options| Arc::new(ParquetFormat::default().with_options(options));
    FileTable::open(state, file, format(options), "parquet").await?.with_unfiltered(format(joined))
}

/// Checks what the reader takes on trust and panics on: that the metadata lies inside of the file.
pub(crate) fn check_footer(file: &LocalFile) -> Result<()> {
    let sound = read_footer(file).is_ok_and(|footer| {
        let [a, b, c, d, magic @ ..] = footer;
        let metadata = u64::from(u32::from_le_bytes([a, b, c, d]));
        magic == *MAGIC && metadata + FOOTER_BYTES + MAGIC.len() as u64 <= file.bytes()
    });
    if sound {
        return Ok(());
    }
    Err(Error::new(ErrorCode::MalformedFile, format!("cannot read {} as parquet", file.path().display()))
        .with_hint("the footer is damaged, or the file is of another format"))
}

fn read_footer(file: &LocalFile) -> io::Result<[u8; FOOTER_BYTES as usize]> {
    let mut footer = [0; FOOTER_BYTES as usize];
    let mut reader = file.reader().map_err(io::Error::other)?;
    reader.seek(SeekFrom::End(-(FOOTER_BYTES as i64)))?;
    reader.read_exact(&mut footer)?;
    Ok(footer)
}

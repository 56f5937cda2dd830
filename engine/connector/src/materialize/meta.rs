//! `meta.txt`: which source the rows are of, and how they can be told from damaged ones.

use std::fmt::Write;

use flate2::Crc;

use super::{DataFormat, SourceIdentity};

/// Changes when a reader of the same options would give other rows or types.
const READER: u32 = 1;

/// What is known about the data file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct DataFacts {
    pub(super) bytes: u64,
    pub(super) crc: u32,
    pub(super) rows: u64,
}

/// The text of `meta.txt`.
pub(super) fn text(source: &SourceIdentity, format: DataFormat, facts: DataFacts) -> String {
    let mut text = source_text(source, format);
    // Writing to a string cannot fail.
    let _ = writeln!(text, "data_bytes={}\ndata_crc32={:08x}\ndata_rows={}", facts.bytes, facts.crc, facts.rows);
    let sum = crc(text.as_bytes());
    let _ = writeln!(text, "meta_crc32={sum:08x}");
    text
}

/// What `text` says about the data file, if it is whole and the data is of `source` in `format`.
pub(super) fn facts(text: &str, source: &SourceIdentity, format: DataFormat) -> Option<DataFacts> {
    let (body, sum) = text.strip_suffix('\n')?.rsplit_once("meta_crc32=")?;
    if sum != format!("{:08x}", crc(body.as_bytes())) {
        return None;
    }
    let mut lines = body.strip_prefix(&source_text(source, format))?.lines();
    let mut value = |key: &str| lines.next()?.strip_prefix(key)?.strip_prefix('=');
    let bytes = value("data_bytes")?.parse().ok()?;
    let crc = u32::from_str_radix(value("data_crc32")?, 16).ok()?;
    let rows = value("data_rows")?.parse().ok()?;
    Some(DataFacts { bytes, crc, rows })
}

/// The lines about the source, which have to be the same for the rows to be used.
fn source_text(source: &SourceIdentity, format: DataFormat) -> String {
    let SourceIdentity { format: source_format, options, path, version } = source;
    format!(
        "source_id={}\ndata_format={}\nsource_format={source_format}\nsource_options={options}\nabs_path={path}\n\
         file_size={}\nmtime_ns={}\nctime_ns={}\ndevice={}\ninode={}\nengine={}-{READER}\n",
        source.id(),
        format.word(),
        version.bytes,
        version.modified_ns,
        version.changed_ns,
        version.device,
        version.inode,
        env!("CARGO_PKG_VERSION"),
    )
}

pub(super) fn crc(bytes: &[u8]) -> u32 {
    let mut crc = Crc::new();
    crc.update(bytes);
    crc.sum()
}

//! Reports on files that carry their own schema, or that are workbooks.

use std::fs::File;
use std::io::{BufReader, Read};

use arrow::datatypes::Schema;
use arrow::ipc::reader::{FileReader, StreamReader};
use datafusion::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use velaria_contract::{Error, ErrorCode, Result};

use super::{Probe, ProbeCandidate, ProbeField};
use crate::LocalFile;
use crate::magic::Binary;

/// The report on a file that is `binary`; `None` when it is no table.
///
/// # Errors
/// `VEL-5008` when it is damaged.
pub(super) fn probe(path: &str, file: &LocalFile, binary: Binary) -> Result<Option<Probe>> {
    let (kind, format, schema) = match binary {
        Binary::Parquet => ("parquet", "parquet", parquet_schema(file)?),
        Binary::ArrowFile => {
            ("arrow", "arrow_file", arrow_schema(file, |content| Ok(FileReader::try_new(content, None)?.schema()))?)
        }
        Binary::ArrowStream => {
            check_message(file)?;
            ("arrow", "arrow_stream", arrow_schema(file, |content| Ok(StreamReader::try_new(content, None)?.schema()))?)
        }
        Binary::Excel => ("excel", "excel", Schema::empty()),
        Binary::Compressed(_) | Binary::Other(_) => return Ok(None),
    };
    let names = schema.fields().iter().map(|field| field.name().clone()).collect();
    let mut probe = Probe::new(path, kind, format, names);
    probe.fields = schema
        .fields()
        .iter()
        .map(|field| ProbeField { name: field.name().clone(), data_type: Some(field.data_type().to_string()) })
        .collect();
    probe.score = 100;
    probe.candidates.push(ProbeCandidate {
        format,
        kind,
        score: 100,
        reason: format!("the first bytes are those of {}", binary.description()),
        evidence: vec![format!("{} bytes", file.bytes())],
    });
    Ok(Some(probe))
}

fn parquet_schema(file: &LocalFile) -> Result<Schema> {
    let reader = ParquetRecordBatchReaderBuilder::try_new(file.reader()?).map_err(|error| damaged(file, error))?;
    Ok(reader.schema().as_ref().clone())
}

fn arrow_schema(
    file: &LocalFile,
    schema: impl FnOnce(BufReader<File>) -> std::result::Result<arrow::datatypes::SchemaRef, arrow::error::ArrowError>,
) -> Result<Schema> {
    let schema = schema(BufReader::new(file.reader()?)).map_err(|error| damaged(file, error))?;
    Ok(schema.as_ref().clone())
}

/// Checks the size that a stream claims for its first message, which its reader would allocate.
fn check_message(file: &LocalFile) -> Result<()> {
    let mut start = [0; 8];
    let read = file.reader()?.read_exact(&mut start);
    read.map_err(|error| damaged(file, error))?;
    let [.., a, b, c, d] = start;
    let claimed = u64::from(u32::from_le_bytes([a, b, c, d]));
    if claimed > file.bytes() { Err(damaged(file, "a message is larger than the file".to_owned())) } else { Ok(()) }
}

fn damaged(file: &LocalFile, error: impl ToString) -> Error {
    Error::new(ErrorCode::MalformedFile, format!("{}: the file is damaged", file.path().display()))
        .with_hint(error.to_string())
}

//! The files of a run: a result is written, and the first rows of a file are read again.

use std::fs::{self, File};
use std::io::BufWriter;
use std::path::{Path, PathBuf};

use arrow::array::RecordBatch;
use arrow::error::ArrowError;
use arrow::ipc::writer::FileWriter;
use serde_json::Value;
use velaria::rows::Object as Row;
use velaria::{
    Error, ErrorCode, Existing, Format as FileFormat, ReadOptions, Result, Session, SessionConfig, WriteFormat,
    WriteOptions, wait,
};
use velaria_workspace::{NewArtifact, Object, PREVIEW_LIMIT_ROWS, PreviewLimits, preview};

use crate::Check;
use crate::command::{Table, collect};
use crate::output;

/// Writes the rows of `table` to `path`, in the format that its ending says, and describes the file.
pub(super) fn write_table(table: &Table, path: &Path, action: &str, check: Check<'_>) -> Result<NewArtifact> {
    let path = absolute(path)?;
    let format = format_of(&path)?;
    output::check_object_keys(&table.schema)?;
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(|error| cannot_write(&path, &error))?;
    }
    match format {
        "arrow" => write_arrow(table, &path)?,
        "csv" => write_file(table, &path, WriteFormat::Csv, check)?,
        _ => write_file(table, &path, WriteFormat::Parquet, check)?,
    }
    describe(table, &path, format, action)
}

/// The artifact of a file that holds the rows of `table`.
pub(super) fn describe(table: &Table, path: &Path, format: &str, action: &str) -> Result<NewArtifact> {
    let (names, rows) = (names(table), row_count(table));
    Ok(NewArtifact {
        row_count: Some(rows),
        preview: Some(preview(&names, objects(table)?, Some(rows), PreviewLimits::default())),
        schema: Some(names),
        tags: vec!["result".to_owned(), action.to_owned()],
        ..NewArtifact::file(path, format)?
    })
}

/// The format of a result at `path`, as its ending says it.
pub(super) fn format_of(path: &Path) -> Result<&'static str> {
    let ending = path.extension().map(|ending| ending.to_string_lossy().to_lowercase());
    match ending.as_deref() {
        Some("csv") => Ok("csv"),
        Some("parquet" | "pq") => Ok("parquet"),
        Some("arrow" | "feather") => Ok("arrow"),
        _ => Err(Error::new(
            ErrorCode::InvalidArgument,
            format!("unsupported output format for path: {}", path.display()),
        )
        .with_hint("let it end with .csv, .parquet, .pq, .arrow or .feather")),
    }
}

/// `path` from the root on.
pub(super) fn absolute(path: &Path) -> Result<PathBuf> {
    std::path::absolute(path).map_err(|error| cannot_write(path, &error))
}

fn write_file(table: &Table, path: &Path, format: WriteFormat, check: Check<'_>) -> Result<()> {
    let session = Session::new(SessionConfig::default())?;
    let frame = session.create_dataframe_from_arrow(table.schema.clone(), table.batches.clone())?;
    let path = path.to_string_lossy().into_owned();
    let mut options = WriteOptions::new(format);
    options.existing = Existing::Replace;
    wait(async move { frame.write(&path, &options).await }, check).map(|_| ())
}

/// An Arrow IPC file, which Feather readers read too; it has its name when it is whole.
fn write_arrow(table: &Table, path: &Path) -> Result<()> {
    let mut part = path.as_os_str().to_owned();
    part.push(".part");
    let part = PathBuf::from(part);
    let written = write_ipc(table, &part).and_then(|()| fs::rename(&part, path).map_err(ArrowError::from));
    written.map_err(|error| {
        // It may not be there at all.
        let _ = fs::remove_file(&part);
        Error::new(ErrorCode::Io, format!("cannot write file: {}", path.display())).with_hint(error.to_string())
    })
}

fn write_ipc(table: &Table, path: &Path) -> std::result::Result<(), ArrowError> {
    let mut writer = FileWriter::try_new(BufWriter::new(File::create(path)?), &table.schema)?;
    table.batches.iter().try_for_each(|batch| writer.write(batch))?;
    writer.finish()?;
    Ok(writer.get_ref().get_ref().sync_all()?)
}

fn cannot_write(path: &Path, error: &std::io::Error) -> Error {
    Error::new(ErrorCode::Io, format!("cannot write file: {}", path.display())).with_hint(error.to_string())
}

/// The first `rows_max` rows of the file at `path`, with `row_count` as the number of all, where that is known.
///
/// Cells of CSV are text: what they were before they were written is not in the file.
pub(crate) fn read_preview(
    path: &Path,
    format: &str,
    row_count: Option<u64>,
    rows_max: usize,
    check: Check<'_>,
) -> Result<Object> {
    let rows_max = rows_max.min(PREVIEW_LIMIT_ROWS);
    // One more row says whether there are more.
    let table = read_first(path, format, rows_max.saturating_add(1), check)?;
    output::check_object_keys(&table.schema)?;
    let limits = PreviewLimits { rows: rows_max, ..PreviewLimits::default() };
    let seen = self::row_count(&table);
    let whole = row_count.or_else(|| (seen <= rows_max as u64).then_some(seen));
    Ok(preview(&names(&table), objects(&table)?, whole, limits))
}

/// Every row of the file at `path`, or `None` when there are more than `rows_max`. Cells of CSV are text.
pub(crate) fn read_rows(path: &Path, format: &str, rows_max: usize, check: Check<'_>) -> Result<Option<Vec<Object>>> {
    let table = read_first(path, format, rows_max.saturating_add(1), check)?;
    output::check_object_keys(&table.schema)?;
    if row_count(&table) > rows_max as u64 {
        return Ok(None);
    }
    rows(&table).map(|(batch, row)| object(batch, row)).collect::<Result<_>>().map(Some)
}

/// The first `rows_max` rows of the file at `path`.
fn read_first(path: &Path, format: &str, rows_max: usize, check: Check<'_>) -> Result<Table> {
    let (kind, options) = reader(format)?;
    let config = SessionConfig::default().with_read_only().with_allowed_paths([path]);
    let path = path.to_string_lossy().into_owned();
    let frame = wait(
        async move { Session::new(config)?.read(&path, Some(kind), &options).await?.limit(rows_max) },
        &mut *check,
    )?;
    collect(frame, check)
}

/// Whether files of `format` have rows to show.
pub(crate) fn check_previewed(format: &str) -> Result<()> {
    reader(format).map(|_| ())
}

fn reader(format: &str) -> Result<(FileFormat, ReadOptions)> {
    match format {
        "csv" => Ok((FileFormat::Csv, ReadOptions::new().with("all_text", "true"))),
        "parquet" => Ok((FileFormat::Parquet, ReadOptions::new())),
        "json" => Ok((FileFormat::Json, ReadOptions::new())),
        "arrow" => Ok((FileFormat::Arrow, ReadOptions::new())),
        _ => Err(Error::new(ErrorCode::InvalidArgument, format!("preview unsupported for format: {format}"))
            .with_hint("csv, json, parquet and arrow have rows")),
    }
}

fn names(table: &Table) -> Vec<String> {
    output::names(&table.schema).into_iter().map(str::to_owned).collect()
}

fn row_count(table: &Table) -> u64 {
    table.batches.iter().map(|batch| batch.num_rows() as u64).sum()
}

/// The first rows as objects: one more than a preview can have, so that it knows of it.
fn objects(table: &Table) -> Result<Vec<Object>> {
    rows(table).take(PREVIEW_LIMIT_ROWS + 1).map(|(batch, row)| object(batch, row)).collect()
}

fn rows(table: &Table) -> impl Iterator<Item = (&RecordBatch, usize)> {
    table.batches.iter().flat_map(|batch| (0..batch.num_rows()).map(move |row| (batch, row)))
}

fn object(batch: &RecordBatch, row: usize) -> Result<Object> {
    match serde_json::to_value(Row { batch, row }) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err(Error::new(ErrorCode::Internal, "a row is not an object")),
        Err(error) => Err(Error::new(ErrorCode::InvalidValue, format!("cannot print a value: {error}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ending_says_the_format() {
        let format = |path: &str| format_of(Path::new(path));
        assert_eq!(format("a/b.CSV").unwrap(), "csv");
        assert_eq!((format("b.pq").unwrap(), format("b.feather").unwrap()), ("parquet", "arrow"));
        for path in ["b", "b.xml", ".csv"] {
            assert_eq!(format(path).unwrap_err().message(), format!("unsupported output format for path: {path}"));
        }
    }
}

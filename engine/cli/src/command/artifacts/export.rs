//! `artifacts export`: an artifact as a file of any format, wherever its user wants it.
//!
//! A file of the format that is asked for is copied byte by byte. Others are read and written anew; cells of CSV stay text
//! where the other format has nothing but text too.

mod new_file;

use std::fs::{self, File};
use std::io::{self, BufWriter};
use std::path::{Path, PathBuf};

use arrow::error::ArrowError;
use arrow::ipc::writer::FileWriter;
use futures::TryStreamExt;
use serde::Serialize;
use serde_json::Value;
use velaria::rows::CsvStyle;
use velaria::{
    DataFrame, Error, ErrorCode, Existing, Format as FileFormat, JsonLayout, ReadOptions, Result, Session,
    SessionConfig, WriteFormat, WriteOptions, wait,
};
use velaria_workspace::{ArtifactIndex, Home};

use self::new_file::NewFile;
use super::{artifact, path_of};
use crate::args::{ArtifactsExportArgs, ExportFormat};
use crate::failure::Failure;
use crate::output::write_json;
use crate::parameters::options_from_pairs;
use crate::{Check, Io};

/// The document of `artifacts export`.
#[derive(Serialize)]
struct ExportedJson<'a> {
    ok: bool,
    artifact_id: &'a str,
    path: String,
    format: &'static str,
    row_count: Option<u64>,
    bytes: u64,
}

pub(super) fn run(args: &ArtifactsExportArgs, io: &mut Io<'_>, check: Check<'_>) -> std::result::Result<(), Failure> {
    write_json(&exported(args, check)?, io)
}

fn exported<'a>(args: &'a ArtifactsExportArgs, check: Check<'_>) -> Result<ExportedJson<'a>> {
    let format = args.format.map_or_else(|| named(&args.output), Ok)?;
    let home = Home::from_env()?;
    let artifact = artifact(&ArtifactIndex::open(&home)?, &args.artifact_id)?;
    let from = path_of(&home, &artifact)?;
    let to = target(args, &from)?;
    let kind = artifact.get("format").and_then(Value::as_str).unwrap_or_default();
    let row_count = if args.options.is_empty() && is_same(kind, format) {
        copy(&from, &to, existing(args))?;
        artifact.get("row_count").and_then(Value::as_u64)
    } else {
        let frame = read(&from, &to, kind, format, args, &mut *check)?;
        Some(write(frame, &to, format, existing(args), check)?)
    };
    let bytes = fs::metadata(&to).map_err(|error| new_file::cannot_write(&to, &error))?.len();
    let path = to.to_string_lossy().into_owned();
    Ok(ExportedJson { ok: true, artifact_id: &args.artifact_id, path, format: format.name(), row_count, bytes })
}

impl ExportFormat {
    const ALL: [Self; 8] =
        [Self::Csv, Self::Tsv, Self::Parquet, Self::Arrow, Self::Xlsx, Self::Ndjson, Self::Json, Self::Text];

    /// The word for the format.
    fn name(self) -> &'static str {
        self.endings()[0]
    }

    /// The endings of files of the format; the first one is its name.
    fn endings(self) -> &'static [&'static str] {
        match self {
            Self::Csv => &["csv"],
            Self::Tsv => &["tsv"],
            Self::Parquet => &["parquet", "pq"],
            Self::Arrow => &["arrow", "feather"],
            Self::Xlsx => &["xlsx"],
            Self::Ndjson => &["ndjson", "jsonl"],
            Self::Json => &["json"],
            Self::Text => &["text", "txt"],
        }
    }
}

/// The format that the ending of `path` says.
fn named(path: &Path) -> Result<ExportFormat> {
    let ending = path.extension().map(|ending| ending.to_string_lossy().to_lowercase()).unwrap_or_default();
    ExportFormat::ALL.into_iter().find(|format| format.endings().contains(&ending.as_str())).ok_or_else(|| {
        let message = format!("unsupported output format for path: {}", path.display());
        let endings: Vec<&str> = ExportFormat::ALL.iter().flat_map(|format| format.endings()).copied().collect();
        let hint = format!("name it with --format, or let the path end with one of {}", endings.join(", "));
        Error::new(ErrorCode::InvalidArgument, message).with_hint(hint)
    })
}

/// The file to write, where nothing is lost by it that was not meant to be.
fn target(args: &ArtifactsExportArgs, from: &Path) -> Result<PathBuf> {
    let invalid = |message: String| Error::new(ErrorCode::InvalidArgument, message);
    if args.output == Path::new("-") {
        return Err(invalid("an artifact is exported to a file, not to standard output".to_owned())
            .with_hint("standard output is for the document that says what was written"));
    }
    let to = std::path::absolute(&args.output).map_err(|error| new_file::cannot_write(&args.output, &error))?;
    if fs::canonicalize(&to).is_ok_and(|to| fs::canonicalize(from).is_ok_and(|from| from == to)) {
        return Err(invalid(format!("the artifact is this file: {}", to.display())).with_hint("name another file"));
    }
    if to.symlink_metadata().is_ok() && !args.force {
        return Err(new_file::exists(&to));
    }
    Ok(to)
}

fn existing(args: &ArtifactsExportArgs) -> Existing {
    if args.force { Existing::Replace } else { Existing::Keep }
}

/// Whether a file of the artifact's format `kind` is one of `format` as it is.
fn is_same(kind: &str, format: ExportFormat) -> bool {
    matches!(
        (kind, format),
        ("csv", ExportFormat::Csv)
            | ("parquet", ExportFormat::Parquet)
            | ("arrow", ExportFormat::Arrow)
            | ("text", ExportFormat::Text)
    )
}

fn copy(from: &Path, to: &Path, existing: Existing) -> Result<()> {
    let mut source = File::open(from).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => Error::new(ErrorCode::FileNotFound, format!("file not found: {}", from.display())),
        _ => Error::new(ErrorCode::Io, format!("cannot read file: {}", from.display())).with_hint(error.to_string()),
    })?;
    let mut file = NewFile::create(to, existing)?;
    io::copy(&mut source, &mut file).map_err(|error| new_file::cannot_write(to, &error))?;
    file.commit()
}

/// The rows of the artifact. The session reads it and writes the new file, and opens no other.
fn read(
    from: &Path,
    to: &Path,
    kind: &str,
    format: ExportFormat,
    args: &ArtifactsExportArgs,
    check: Check<'_>,
) -> Result<DataFrame> {
    let reader = reader(kind)?;
    let options = read_options(reader, format, args)?;
    let config = SessionConfig::default().with_allowed_paths([from, to]);
    let path = from.to_string_lossy().into_owned();
    wait(async move { Session::new(config)?.read(&path, Some(reader), &options).await }, check)
}

fn reader(kind: &str) -> Result<FileFormat> {
    match kind {
        "csv" => Ok(FileFormat::Csv),
        "parquet" => Ok(FileFormat::Parquet),
        "arrow" => Ok(FileFormat::Arrow),
        _ => Err(Error::new(ErrorCode::InvalidArgument, format!("an artifact of this format has no rows: {kind}"))
            .with_hint("--format text writes it as it is")),
    }
}

fn read_options(reader: FileFormat, format: ExportFormat, args: &ArtifactsExportArgs) -> Result<ReadOptions> {
    let options = options_from_pairs(&args.options)?;
    let is_text = matches!(format, ExportFormat::Csv | ExportFormat::Tsv);
    if reader == FileFormat::Csv && is_text && options.text("all_text").is_none() {
        return Ok(options.with("all_text", "true"));
    }
    Ok(options)
}

/// Writes the rows, and tells how many there are.
fn write(frame: DataFrame, to: &Path, format: ExportFormat, existing: Existing, check: Check<'_>) -> Result<u64> {
    let path = to.to_string_lossy().into_owned();
    let mut options = match format {
        ExportFormat::Arrow => {
            let file = NewFile::create(to, existing)?;
            return wait(write_arrow(frame, file), check);
        }
        ExportFormat::Text => {
            return Err(Error::new(ErrorCode::InvalidArgument, "rows are not written as text")
                .with_hint("csv and tsv are formats of text with rows"));
        }
        ExportFormat::Csv => WriteOptions::new(WriteFormat::Csv),
        ExportFormat::Tsv => {
            let mut options = WriteOptions::new(WriteFormat::Csv);
            options.csv = CsvStyle { delimiter: b'\t', ..CsvStyle::default() };
            options
        }
        ExportFormat::Parquet => WriteOptions::new(WriteFormat::Parquet),
        ExportFormat::Xlsx => WriteOptions::new(WriteFormat::Xlsx),
        ExportFormat::Ndjson => WriteOptions::new(WriteFormat::Json),
        ExportFormat::Json => {
            let mut options = WriteOptions::new(WriteFormat::Json);
            options.json = JsonLayout::Array;
            options
        }
    };
    options.existing = existing;
    wait(async move { frame.write(&path, &options).await }, check).map(|rows| rows as u64)
}

/// An Arrow IPC file, which Feather readers read too.
async fn write_arrow(frame: DataFrame, file: NewFile) -> Result<u64> {
    let mut stream = frame.execute().await?;
    let unwritten =
        |error: ArrowError| Error::new(ErrorCode::Io, "cannot write the Arrow file").with_hint(error.to_string());
    let mut writer = FileWriter::try_new(BufWriter::new(file), &stream.schema()).map_err(unwritten)?;
    let mut rows = 0;
    while let Some(batch) = stream.try_next().await? {
        rows += batch.num_rows() as u64;
        writer.write(&batch).map_err(unwritten)?;
    }
    let out = writer.into_inner().map_err(unwritten)?;
    let file = out.into_inner().map_err(|error| unwritten(ArrowError::from(error.into_error())))?;
    file.commit()?;
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ending_says_the_format() {
        for (path, format) in [
            ("a/b.CSV", ExportFormat::Csv),
            ("b.feather", ExportFormat::Arrow),
            ("b.jsonl", ExportFormat::Ndjson),
            ("b.txt", ExportFormat::Text),
        ] {
            assert_eq!(named(Path::new(path)).unwrap(), format);
        }
        for path in ["b", "b.xml", ".csv"] {
            assert!(named(Path::new(path)).is_err(), "{path}");
        }
    }
}

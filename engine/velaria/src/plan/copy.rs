//! `COPY … TO`: batches go into a file as they are made, and the file gets its name when all of them are there.

use std::io::{BufWriter, Write};
use std::path::Path;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use arrow::ipc::writer::StreamWriter;
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::errors::ParquetError;
use futures::TryStreamExt;
use velaria_connector::{CsvStyle, CsvWriter, ExcelWriter, Existing, JsonLayout, JsonWriter, NewFile};
use velaria_contract::{Error, ErrorCode, Result};
use velaria_sql::{Copy, Format, position_of};

use crate::context::Context;
use crate::dataframe::DataFrame;
use crate::error::duplicate_column;
use crate::plan::query;
use crate::result_frame::Done;

/// Runs `COPY … TO`.
pub(crate) async fn copy(context: &Arc<Context>, text: &str, statement: Copy) -> Result<Done> {
    let format = format(text, &statement)?;
    let Copy { source, path, path_span, header, delimiter, overwrite, escape_formulas, .. } = statement;
    let bound = query::bind(context, text, source).await?;
    let frame = DataFrame::from_query(context, text, bound);
    let existing = if overwrite { Existing::Replace } else { Existing::Keep };
    let style = FileStyle { header, csv: CsvStyle { delimiter, escape_formulas }, json: JsonLayout::Lines };
    let place = |error: Error| error.with_position(position_of(text, path_span));
    let file = NewFile::create(&context.access, &path, existing).map_err(place)?;
    let rows = write(&frame, file, format, &style).await.map_err(|error| match error.code() {
        ErrorCode::Io | ErrorCode::FileNotFound => place(error),
        _ => error,
    })?;
    Ok(Done::new("copy done", rows))
}

/// How the rows of a file are written.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FileStyle {
    /// Whether a CSV file starts with the names of the columns.
    pub(crate) header: bool,
    pub(crate) csv: CsvStyle,
    pub(crate) json: JsonLayout,
}

/// Runs the query of `frame` into `file`, and tells how many rows it has.
pub(crate) async fn write(frame: &DataFrame, file: NewFile, format: Format, style: &FileStyle) -> Result<usize> {
    // The query begins first: the types of its files are known then.
    let mut stream = frame.execute().await?;
    let mut writer = Writer::new(format, BufWriter::new(file), &stream.schema(), style)?;
    let mut rows = 0;
    while let Some(batch) = stream.try_next().await? {
        rows += batch.num_rows();
        writer.write(&batch)?;
    }
    let file = writer.finish()?.into_inner().map_err(|error| unwritten(error.into_error()))?;
    file.commit()?;
    Ok(rows)
}

/// The format that was asked for, or else the one that the path ends with.
fn format(text: &str, statement: &Copy) -> Result<Format> {
    let ending = || Path::new(&statement.path).extension()?.to_str().and_then(Format::named);
    statement.format.or_else(ending).ok_or_else(|| {
        Error::new(ErrorCode::InvalidStatement, "the format of the file is not known")
            .with_hint("add (FORMAT csv), json, parquet, arrow or xlsx, or let the path end with one of them")
            .with_position(position_of(text, statement.path_span))
    })
}

type Out = BufWriter<NewFile>;

/// A writer of one of the formats.
enum Writer {
    Csv(Box<CsvWriter<Out>>),
    Json(Box<JsonWriter<Out>>),
    Parquet(Box<ArrowWriter<Out>>),
    Arrow(Box<StreamWriter<Out>>),
    /// A workbook is written when its last row is known.
    Xlsx(Box<ExcelWriter>, Out),
}

impl Writer {
    fn new(format: Format, out: Out, schema: &SchemaRef, style: &FileStyle) -> Result<Self> {
        Ok(match format {
            Format::Csv => {
                let mut writer = CsvWriter::new(out, style.csv);
                if style.header {
                    writer.write_header(schema).map_err(unwritten)?;
                }
                Self::Csv(Box::new(writer))
            }
            Format::Json => {
                check_object_keys(schema)?;
                Self::Json(Box::new(JsonWriter::new(out, style.json)))
            }
            Format::Parquet => {
                Self::Parquet(Box::new(ArrowWriter::try_new(out, Arc::clone(schema), None).map_err(from_parquet)?))
            }
            Format::Xlsx if style.header => Self::Xlsx(Box::new(ExcelWriter::new(schema)?), out),
            Format::Xlsx => Self::Xlsx(Box::new(ExcelWriter::without_header(schema)?), out),
            Format::Arrow => Self::Arrow(Box::new(StreamWriter::try_new(out, schema).map_err(from_arrow)?)),
        })
    }

    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        match self {
            Self::Csv(writer) => writer.write(batch).map_err(from_arrow),
            Self::Json(writer) => writer.write(batch).map_err(from_json),
            Self::Parquet(writer) => writer.write(batch).map_err(from_parquet),
            Self::Arrow(writer) => writer.write(batch).map_err(from_arrow),
            Self::Xlsx(writer, _) => writer.write(batch),
        }
    }

    fn finish(self) -> Result<Out> {
        let mut out = match self {
            Self::Csv(writer) => writer.finish().map_err(unwritten)?,
            Self::Json(writer) => writer.finish().map_err(unwritten)?,
            Self::Parquet(writer) => writer.into_inner().map_err(from_parquet)?,
            Self::Arrow(writer) => writer.into_inner().map_err(from_arrow)?,
            Self::Xlsx(writer, mut out) => {
                writer.finish(&mut out)?;
                out
            }
        };
        out.flush().map_err(unwritten)?;
        Ok(out)
    }
}

/// Refuses columns of the same name, of which an object could hold only one.
fn check_object_keys(schema: &SchemaRef) -> Result<()> {
    let names: Vec<&String> = schema.fields().iter().map(|field| field.name()).collect();
    match names.iter().enumerate().find(|(index, name)| names.iter().take(*index).any(|own| own == *name)) {
        Some((_, name)) => Err(duplicate_column(name)),
        None => Ok(()),
    }
}

/// An error that has no code of the system is about a value.
fn from_json(error: std::io::Error) -> Error {
    if error.kind() == std::io::ErrorKind::Other || error.kind() == std::io::ErrorKind::InvalidData {
        return unsupported(&error);
    }
    unwritten(error)
}

fn from_arrow(error: ArrowError) -> Error {
    match error {
        ArrowError::IoError(_, error) => unwritten(error),
        other => unsupported(&other),
    }
}

fn from_parquet(error: ParquetError) -> Error {
    match error {
        ParquetError::External(error) => match error.downcast::<std::io::Error>() {
            Ok(error) => unwritten(*error),
            Err(error) => unsupported(&error),
        },
        other => unsupported(&other),
    }
}

fn unsupported(error: &dyn std::fmt::Display) -> Error {
    let text = error.to_string();
    let reason = text.rsplit("error: ").next().unwrap_or(&text).trim().to_owned();
    Error::new(ErrorCode::Unsupported, "cannot write these columns in this format").with_hint(reason)
}

fn unwritten(error: std::io::Error) -> Error {
    Error::new(ErrorCode::Io, "cannot write the file").with_hint(error.to_string()).with_source(error)
}

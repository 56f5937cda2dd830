//! The formats of a result.

mod cells;
mod html;
mod table;
mod vertical;

use std::collections::BTreeSet;
use std::io::{self, Write};

use arrow::datatypes::{Schema, SchemaRef};
use arrow::ipc::writer::StreamWriter;
use clap::ValueEnum;
use parquet::arrow::ArrowWriter;
use serde::Serialize;
use velaria::rows::{CsvStyle, CsvWriter, Object, Objects};
use velaria::{Error, ErrorCode, ExcelWriter, json};

// For the arguments that say how results are printed.
pub(crate) use self::table::terminal_width;
use crate::Io;
use crate::args::OutputArgs;
use crate::command::Table;
use crate::failure::Failure;
use crate::output::cells::NULL;

/// The format of a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// A table for people
    Table,
    /// Columns between blanks, one row a line
    Text,
    /// One line for each value
    Vertical,
    /// One JSON document
    Json,
    /// One JSON object a row
    Ndjson,
    /// Comma-separated values with a header line
    Csv,
    /// Tab-separated values with a header line
    Tsv,
    /// A Markdown table
    Markdown,
    /// An HTML table
    Html,
    /// A Parquet file
    Parquet,
    /// An Arrow IPC stream
    Arrow,
    /// A workbook
    Xlsx,
}

/// Writes `table` in the format that was asked for.
pub(crate) fn write(table: &Table, args: &OutputArgs, io: &mut Io<'_>) -> Result<(), Failure> {
    say(table, io)?;
    let null = args.null_value.as_deref().unwrap_or(NULL);
    match args.format() {
        Format::Table => Ok(io.print(&table::to_box(table, args.rows_max(), args.width_max(), null)?)?),
        Format::Text => Ok(io.print(&table::to_text(table, null)?)?),
        Format::Vertical => Ok(io.print(&vertical::to_vertical(table, null)?)?),
        Format::Markdown => Ok(io.print(&table::to_markdown(table, null)?)?),
        Format::Html => Ok(io.print(&html::to_html(table, null)?)?),
        Format::Json => write_json(&Objects(&table.batches), io),
        Format::Ndjson => write_ndjson(table, io),
        Format::Csv => write_csv(table, b',', args, io),
        Format::Tsv => write_csv(table, b'\t', args, io),
        Format::Parquet => write_binary(table, args, io, write_parquet),
        Format::Arrow => write_binary(table, args, io, write_arrow),
        Format::Xlsx => write_binary(table, args, io, write_xlsx),
    }
}

/// Every row in a box.
pub(crate) fn table_text(table: &Table) -> Result<String, Error> {
    table::to_box(table, usize::MAX, None, NULL)
}

/// Says what a user should know about how files were read, where results do not go.
pub(crate) fn say(table: &Table, io: &mut Io<'_>) -> Result<(), Failure> {
    for notice in &table.notices {
        // The result is worth more than a word about it that cannot be said.
        let _ = io.complain(&format!("{} {notice}\n", io.stderr_colors().warning()));
    }
    Ok(())
}

/// Writes one document.
pub(crate) fn write_json(document: &impl Serialize, io: &mut Io<'_>) -> Result<(), Failure> {
    let text = json::to_pretty(document)?;
    Ok(io.print(&text)?)
}

/// The column names.
pub(crate) fn names(schema: &Schema) -> Vec<&str> {
    schema.fields().iter().map(|field| field.name().as_str()).collect()
}

/// Refuses columns of the same name, of which an object could hold only one.
pub(crate) fn check_object_keys(schema: &Schema) -> Result<(), Error> {
    let mut seen = BTreeSet::new();
    match names(schema).into_iter().find(|name| !seen.insert(*name)) {
        None => Ok(()),
        Some(name) => Err(Error::new(ErrorCode::DuplicateColumn, format!("duplicate column: {name}"))
            .with_hint("a JSON object holds each name once: give one of the columns another name with AS")),
    }
}

fn write_ndjson(table: &Table, io: &mut Io<'_>) -> Result<(), Failure> {
    check_object_keys(&table.schema)?;
    for batch in &table.batches {
        for row in 0..batch.num_rows() {
            let line = json::to_line(&Object { batch, row })?;
            io.print(&line)?;
        }
    }
    Ok(())
}

fn write_csv(table: &Table, delimiter: u8, args: &OutputArgs, io: &mut Io<'_>) -> Result<(), Failure> {
    // Encoded whole before the first byte is written: a type that CSV does not have is found on the way.
    let style = CsvStyle { delimiter, ..CsvStyle::default() };
    let mut writer = CsvWriter::new(Vec::new(), style).with_null(args.null_value.as_deref().unwrap_or_default())?;
    writer.write_header(&table.schema)?;
    table.batches.iter().try_for_each(|batch| writer.write(batch)).map_err(unwritable)?;
    Ok(io.stdout().write_all(&writer.finish()?)?)
}

fn write_binary(
    table: &Table,
    args: &OutputArgs,
    io: &mut Io<'_>,
    encode: impl FnOnce(&Table, &mut dyn Write) -> Result<(), Failure>,
) -> Result<(), Failure> {
    if args.is_terminal() {
        return Err(Failure::Usage("refusing to write binary data to a terminal: redirect standard output".to_owned()));
    }
    encode(table, io.stdout())
}

fn write_parquet(table: &Table, out: &mut dyn Write) -> Result<(), Failure> {
    let mut bytes = Vec::new();
    let encoded = ArrowWriter::try_new(&mut bytes, SchemaRef::clone(&table.schema), None).and_then(|mut writer| {
        table.batches.iter().try_for_each(|batch| writer.write(batch))?;
        writer.close()
    });
    encoded.map_err(|error| Error::new(ErrorCode::Unsupported, format!("cannot write as parquet: {error}")))?;
    Ok(out.write_all(&bytes)?)
}

fn write_arrow(table: &Table, out: &mut dyn Write) -> Result<(), Failure> {
    let mut writer = StreamWriter::try_new(out, &table.schema).map_err(unwritable)?;
    for batch in &table.batches {
        writer.write(batch).map_err(unwritable)?;
    }
    writer.finish().map_err(unwritable)
}

fn write_xlsx(table: &Table, out: &mut dyn Write) -> Result<(), Failure> {
    // Encoded whole before the first byte is written: a text that is too long for a cell is found on the way.
    let mut bytes = Vec::new();
    let mut writer = ExcelWriter::new(&table.schema)?;
    table.batches.iter().try_for_each(|batch| writer.write(batch))?;
    writer.finish(&mut bytes)?;
    Ok(out.write_all(&bytes)?)
}

fn unwritable(error: arrow::error::ArrowError) -> Failure {
    match error {
        arrow::error::ArrowError::IoError(_, error) => Failure::Output(error),
        arrow::error::ArrowError::ExternalError(error) => match error.downcast::<io::Error>() {
            Ok(error) => Failure::Output(*error),
            Err(error) => Error::new(ErrorCode::Unsupported, format!("cannot write this format: {error}")).into(),
        },
        other => Error::new(ErrorCode::Unsupported, format!("cannot write this format: {other}")).into(),
    }
}

//! `CREATE SOURCE TABLE` and `CREATE SINK TABLE` over files: what they mean for streams.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use velaria_connector::{
    ConsoleSinkTable, CsvAppendTable, CsvStyle, DIRECTORY_OPTIONS, Directory, DirectoryStream, Format, MemorySinkTable,
    PartFilesTable, PartFormat, ReadOptions, SinkTable,
};
use velaria_contract::{Error, ErrorCode, Result};
use velaria_sql::ast::{ObjectNamePart, Query, visit_relations};
use velaria_sql::{CreateTable, TableKind, TableOption, closest, position_of};

use crate::catalog::{Entry, SinkEntry, SourceTable, Strictness};
use crate::context::Context;
use crate::plan::files::type_of;
use crate::plan::stream::leaf::{EventTime, StreamLeaf};

/// The options of a SOURCE TABLE that only stream SQL looks at, beside those of folders.
const EVENT_TIME_OPTIONS: [&str; 2] = ["watermark", "watermark_delay_ms"];

/// The options of files, without those of streams.
pub(crate) fn batch_options(options: &ReadOptions) -> ReadOptions {
    let streams: Vec<&str> = DIRECTORY_OPTIONS.iter().map(|option| option.name).chain(EVENT_TIME_OPTIONS).collect();
    options.clone().without(&streams)
}

/// Makes streams of the SOURCE TABLES that `query` reads.
pub(super) async fn open(context: &Context, text: &str, query: &Query) -> Result<()> {
    let mut names = Vec::new();
    let _: ControlFlow<()> = visit_relations(query, |relation| {
        if let [ObjectNamePart::Identifier(ident)] = relation.0.as_slice() {
            names.push(ident.clone());
        }
        ControlFlow::Continue(())
    });
    for ident in names {
        let name = context.catalog.spelling(&ident.value).unwrap_or_else(|| ident.value.clone());
        if let Ok(Entry::Source(source)) = context.catalog.entry(&name)
            && context.catalog.kind(&name) == TableKind::Source
            && source.stream().is_none()
        {
            // Looking at a folder may take long, and must not happen on the thread of a caller that polls once.
            tokio::task::yield_now().await;
            let stream = stream_of(context, &name, &source)
                .map_err(|error| error.with_position(position_of(text, ident.span)))?;
            source.keep_stream(Arc::new(stream));
        }
    }
    Ok(())
}

fn stream_of(context: &Context, name: &str, source: &SourceTable) -> Result<StreamLeaf> {
    let event_time = event_time(&source.stream_options)?;
    let options = source.stream_options.clone().without(&EVENT_TIME_OPTIONS);
    let table = directory(context, &source.path, source.format, &options, source.columns.as_ref())?;
    Ok(StreamLeaf::new(name, Arc::new(table), event_time))
}

/// The stream of the files that arrive in the folder `path`.
pub(crate) fn directory(
    context: &Context,
    path: &str,
    format: Option<Format>,
    options: &ReadOptions,
    columns: Option<&SchemaRef>,
) -> Result<DirectoryStream> {
    let type_of = |word: &str| type_of(context, word);
    let columns = columns.map(AsRef::as_ref);
    let directory = Directory { path, format, options, columns, type_of: &type_of };
    let stream = DirectoryStream::open(&context.access, &directory)?;
    stream.notes().into_iter().for_each(|note| context.notices.add(note));
    Ok(stream)
}

fn event_time(options: &ReadOptions) -> Result<Option<EventTime>> {
    let delay_ms = options.count("watermark_delay_ms")?;
    match (options.text("watermark"), delay_ms) {
        (Some(column), delay_ms) => Ok(Some(EventTime { column: column.to_owned(), delay_ms: delay_ms.unwrap_or(0) })),
        (None, None) => Ok(None),
        (None, Some(_)) => Err(Error::new(ErrorCode::InvalidArgument, "watermark_delay_ms needs the option watermark")
            .with_hint("watermark names the column of event time")),
    }
}

/// The sink that `create` declares, with `columns`.
pub(crate) fn sink(
    context: &Context,
    text: &str,
    create: &CreateTable,
    columns: Option<SchemaRef>,
) -> Result<SinkEntry> {
    let place = position_of(text, create.name.span);
    let has_rules = !create.constraints.is_empty() || create.columns.iter().any(|column| !column.options.is_empty());
    if create.query.is_some() || has_rules {
        return Err(Error::new(ErrorCode::Unsupported, "a sink has columns and options only")
            .with_hint("name the columns and their types only; a query that writes to it can filter and fill in")
            .with_position(place));
    }
    let provider = create.provider.as_deref().unwrap_or("csv");
    let (known, strictness): (&[&str], _) = match provider {
        "csv" => (&["path", "delimiter"], Strictness::Text),
        "json" | "ndjson" | "parquet" => (&["path"], Strictness::Typed),
        "console" | "memory" => (&[], Strictness::Typed),
        _ => {
            return Err(Error::new(ErrorCode::Unsupported, "stream CREATE TABLE only supports USING csv")
                .with_hint("or json, parquet, console and memory for sinks")
                .with_position(place));
        }
    };
    check_options(text, &create.options, known)?;
    let option = |key: &str| create.options.iter().find(|option| option.key == key).map(|option| option.value.as_str());
    let (mut memory, schema) = (None, columns.clone());
    let table: Arc<dyn SinkTable> = match provider {
        "console" => Arc::new(ConsoleSinkTable::new(context.console())),
        "memory" => {
            let kept = MemorySinkTable::new();
            memory = Some(kept.clone());
            Arc::new(kept)
        }
        provider => {
            let Some(path) = option("path") else {
                return Err(Error::new(ErrorCode::InvalidStatement, "CREATE TABLE missing option: path")
                    .with_hint("OPTIONS(path: 'out.csv') says where the rows go")
                    .with_position(place));
            };
            files(context, provider, path, option("delimiter"), schema).map_err(|error| error.with_position(place))?
        }
    };
    Ok(SinkEntry { table, columns, strictness, memory })
}

fn files(
    context: &Context,
    provider: &str,
    path: &str,
    delimiter: Option<&str>,
    schema: Option<SchemaRef>,
) -> Result<Arc<dyn SinkTable>> {
    let folder = path.ends_with('/') || Path::new(path).is_dir();
    if provider == "csv" && !folder {
        return Ok(Arc::new(csv_append(context, path, delimiter.unwrap_or(","), schema)?));
    }
    let format = match (PartFormat::named(if provider == "json" { "ndjson" } else { provider })?, delimiter) {
        (PartFormat::Csv(style), Some(text)) => PartFormat::Csv(CsvStyle { delimiter: delimiter_of(text)?, ..style }),
        (format, _) => format,
    };
    let table = PartFilesTable::new(path, format, schema)?;
    context.access.check_path(table.dir())?;
    Ok(Arc::new(table))
}

/// The sink that appends to the file `path`, in a session that may do so.
pub(crate) fn csv_append(
    context: &Context,
    path: &str,
    delimiter: &str,
    schema: Option<SchemaRef>,
) -> Result<CsvAppendTable> {
    let table = CsvAppendTable::new(path, delimiter_of(delimiter)?, schema)?;
    context.access.check_path(table.path())?;
    Ok(table)
}

fn delimiter_of(text: &str) -> Result<u8> {
    match text.as_bytes() {
        [byte] => Ok(*byte),
        [] => Err(Error::new(ErrorCode::InvalidArgument, "csv delimiter cannot be empty")),
        _ if text == "\\t" => Ok(b'\t'),
        _ => Err(Error::new(ErrorCode::InvalidArgument, "delimiter must be a single character")
            .with_hint("one ASCII character that is neither a quote nor a line end")),
    }
}

fn check_options(text: &str, options: &[TableOption], known: &[&str]) -> Result<()> {
    let Some(unknown) = options.iter().find(|option| !known.contains(&option.key.as_str())) else { return Ok(()) };
    let error = Error::new(ErrorCode::InvalidArgument, format!("unknown option: {}", unknown.key))
        .with_position(position_of(text, unknown.span));
    Err(match closest(&unknown.key, known.iter().copied()) {
        Some(meant) => error.with_hint(format!("did you mean {meant}?")),
        None if known.is_empty() => error.with_hint("this sink has no options"),
        None => error.with_hint(format!("there are: {}", known.join(", "))),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_options_of_streams_are_not_those_of_files() {
        let options = ReadOptions::new().with("delimiter", ";").with("watermark", "ts").with("rows_per_batch", "10");
        let left: Vec<String> = batch_options(&options).iter().map(|(key, _)| key.to_owned()).collect();
        assert_eq!(left, ["delimiter"]);
        assert_eq!(event_time(&options).unwrap(), Some(EventTime { column: "ts".to_owned(), delay_ms: 0 }));
        assert!(event_time(&ReadOptions::new().with("watermark_delay_ms", "5")).is_err());
        assert_eq!((delimiter_of(";").unwrap(), delimiter_of("\\t").unwrap()), (b';', b'\t'));
        assert_eq!(delimiter_of(";;").unwrap_err().message(), "delimiter must be a single character");
    }
}

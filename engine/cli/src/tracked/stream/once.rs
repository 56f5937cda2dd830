//! `stream-sql-once`: a query over the CSV files of a directory, for some micro-batches.

use std::fs;
use std::path::{Path, PathBuf};

use arrow::datatypes::{DataType, Schema};
use serde_json::{Map, Value};
use velaria::{Format, ReadOptions, Result, Session, SessionConfig, StreamOptions, wait};
use velaria_workspace::Run;

use super::begin::{Plan, Sink, Source, begin, declared};
use super::follow;
use crate::Check;
use crate::args::StreamSqlOnceAction;
use crate::command::{Table, collect};
use crate::tracked::artifact::{absolute, describe};
use crate::tracked::worker::{Done, Payload};

/// Runs `stream-sql-once`. One that is stopped before its last micro-batch keeps the rows of those that it had.
pub(in crate::tracked) fn run<'a>(action: &'a StreamSqlOnceAction, run: &Run, check: Check<'_>) -> Result<Done<'a>> {
    let path = match &action.sink_path {
        Some(path) => absolute(path)?,
        None => run.artifacts_dir().join("stream_result.csv"),
    };
    let query = begin(plan(action, &path)?, run, &mut *check)?;
    let ended = follow(&query, run, &mut *check)?;
    // What was asked to end has ended: what is there is read all the same.
    let check: Check<'_> = if ended.stopped.is_some() { &mut || Ok(()) } else { check };
    let rows = rows(action, &path, check)?;
    let artifact = describe(&rows, &path, "csv", "stream-sql-once")?;
    let payload = Payload::Stream { processed_batches: ended.batches, rows, progress: Box::new(query.progress()) };
    Ok(Done { payload, artifacts: vec![artifact], stopped: ended.stopped })
}

fn plan<'a>(action: &'a StreamSqlOnceAction, path: &'a Path) -> Result<Plan<'a>> {
    Ok(Plan {
        source: Source {
            dir: &action.source_csv_dir,
            format: Format::Csv,
            options: ReadOptions::new().with("delimiter", &action.source_delimiter),
            schema: None,
            table: &action.source_table,
        },
        sink: Sink {
            table: &action.sink_table,
            columns: &action.sink_schema,
            format: "csv",
            path,
            delimiter: &action.sink_delimiter,
        },
        query: &action.query,
        options: options(action)?,
        session: action.limits.config(),
    })
}

fn options(action: &StreamSqlOnceAction) -> Result<StreamOptions> {
    let mut options = StreamOptions {
        trigger_interval_ms: action.trigger_interval_ms,
        local_workers: action.local_workers,
        max_inflight_partitions: action.max_inflight_partitions,
        max_batches: u64::try_from(action.max_batches).unwrap_or_default().max(1),
        ..StreamOptions::default()
    };
    options.set("checkpoint_delivery_mode", &action.checkpoint_delivery_mode)?;
    options.set("execution_mode", &action.execution_mode)?;
    Ok(options)
}

/// The rows of the file that the query wrote. Columns that were declared as text stay text.
fn rows(action: &StreamSqlOnceAction, path: &Path, check: Check<'_>) -> Result<Table> {
    let declared = declared(&action.sink_schema, &mut *check)?;
    if fs::metadata(path).map_or(0, |file| file.len()) == 0 {
        return Ok(Table { schema: declared, batches: Vec::new(), notices: Vec::new() });
    }
    let options = ReadOptions::new()
        .with("delimiter", &action.sink_delimiter)
        .with("header", "true")
        .with("types", text_columns(&declared).to_string());
    let config = SessionConfig::default().with_read_only().with_allowed_paths([path]);
    let path: PathBuf = path.to_owned();
    let frame = wait(
        async move { Session::new(config)?.read(&path.to_string_lossy(), Some(Format::Csv), &options).await },
        &mut *check,
    )?;
    collect(frame, check)
}

fn text_columns(schema: &Schema) -> Value {
    let is_text = |data_type: &DataType| matches!(data_type, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View);
    let texts = schema.fields().iter().filter(|field| is_text(field.data_type()));
    Value::Object(texts.map(|field| (field.name().clone(), Value::from("STRING"))).collect::<Map<_, _>>())
}

//! `stream-sql`: a query over the files of a directory that goes on until it is stopped, and can be resumed.

use std::path::{Path, PathBuf};

use velaria::{Error, ErrorCode, Format, ReadOptions, Result, StreamOptions, StreamingQuery};
use velaria_workspace::{NewArtifact, PREVIEW_LIMIT_ROWS, Run};

use super::begin::{Plan, Sink, Source, begin, declared};
use super::{Ended, follow};
use crate::Check;
use crate::args::StreamSqlAction;
use crate::parameters::options_from_pairs;
use crate::tracked::artifact::{absolute, read_preview};
use crate::tracked::worker::{Done, Payload};

/// Runs `stream-sql`.
pub(in crate::tracked) fn run<'a>(action: &'a StreamSqlAction, run: &Run, check: Check<'_>) -> Result<Done<'a>> {
    let sink = sink(action, run)?;
    let checkpoint = action.checkpoint_path.clone().unwrap_or_else(|| run.dir().join("checkpoint"));
    let plan = plan(action, &sink, &checkpoint, &mut *check)?;
    match begin(plan, run, &mut *check) {
        Ok(query) => {
            // What was committed before it failed is there.
            let failed = |error| Ended { batches: query.progress().batches_processed, stopped: Some(error) };
            let ended = follow(&query, run, check).unwrap_or_else(failed);
            done(action, &query, ended, &sink, run)
        }
        // Nothing has come yet.
        Err(error) if error.code() == ErrorCode::Cancelled => {
            let payload = Payload::Streamed { processed_batches: 0, progress: None };
            Ok(Done { payload, artifacts: Vec::new(), stopped: Some(error) })
        }
        Err(error) => Err(error),
    }
}

fn plan<'a>(action: &'a StreamSqlAction, sink: &'a Path, checkpoint: &Path, check: Check<'_>) -> Result<Plan<'a>> {
    let schema = action.source_schema.as_deref().map(|columns| declared(columns, check)).transpose()?;
    Ok(Plan {
        source: Source {
            dir: &action.source_dir,
            format: format(&action.source_format),
            options: source_options(action)?,
            schema,
            table: &action.source_table,
        },
        sink: Sink {
            table: &action.sink_table,
            columns: &action.sink_schema,
            format: &action.sink_format,
            path: sink,
            delimiter: &action.sink_delimiter,
        },
        query: &action.query,
        options: options(action, checkpoint)?,
        session: action.limits.config(),
    })
}

fn format(word: &str) -> Format {
    match word {
        "json" => Format::Json,
        "parquet" => Format::Parquet,
        _ => Format::Csv,
    }
}

fn source_options(action: &StreamSqlAction) -> Result<ReadOptions> {
    let options = options_from_pairs(&action.source_options)?;
    let separates = action.source_format == "csv" && options.text("delimiter").is_none();
    Ok(if separates { options.with("delimiter", &action.source_delimiter) } else { options })
}

fn options(action: &StreamSqlAction, checkpoint: &Path) -> Result<StreamOptions> {
    let mut options = StreamOptions {
        trigger_interval_ms: action.trigger_interval_ms,
        local_workers: action.local_workers,
        max_inflight_partitions: action.max_inflight_partitions,
        max_batches: action.max_batches,
        checkpoint_path: checkpoint.to_string_lossy().into_owned(),
        ..StreamOptions::default()
    };
    options.set("output_mode", &action.output_mode)?;
    options.set("checkpoint_delivery_mode", &action.checkpoint_delivery_mode)?;
    options.set("execution_mode", &action.execution_mode)?;
    for pair in &action.stream_options {
        let Some((name, value)) = pair.split_once('=') else {
            return Err(Error::new(ErrorCode::InvalidArgument, format!("not an option: {pair}"))
                .with_hint("write --stream-option key=value"));
        };
        options.set(name, value)?;
    }
    Ok(options)
}

/// Where the rows go: one CSV file, or a folder of files.
fn sink(action: &StreamSqlAction, run: &Run) -> Result<PathBuf> {
    match (&action.sink_path, action.sink_format.as_str()) {
        (Some(path), _) => absolute(path),
        (None, "csv") => Ok(run.artifacts_dir().join("stream_result.csv")),
        (None, _) => Ok(run.artifacts_dir().join("stream_result")),
    }
}

fn done<'a>(
    action: &'a StreamSqlAction,
    query: &StreamingQuery,
    ended: Ended,
    sink: &Path,
    run: &Run,
) -> Result<Done<'a>> {
    let progress = Box::new(query.progress());
    let artifacts = if sink.exists() { vec![artifact(action, progress.output_rows, sink, run)?] } else { Vec::new() };
    let payload = Payload::Streamed { processed_batches: ended.batches, progress: Some(progress) };
    Ok(Done { payload, artifacts, stopped: ended.stopped })
}

/// The sink as an artifact. How many rows it has is known when nobody else writes it.
fn artifact(action: &StreamSqlAction, rows: u64, sink: &Path, run: &Run) -> Result<NewArtifact> {
    let format = action.sink_format.as_str();
    let rows = sink.starts_with(run.dir()).then_some(rows);
    // A sink without rows has no columns that could be read back, and one that cannot be read is there all the same.
    let preview = read_preview(sink, format, rows, PREVIEW_LIMIT_ROWS, &mut || Ok(())).ok();
    let schema = preview
        .as_ref()
        .and_then(|preview| preview.get("schema")?.as_array())
        .map(|names| names.iter().filter_map(|name| name.as_str()).map(str::to_owned).collect());
    Ok(NewArtifact {
        row_count: rows,
        preview,
        schema,
        tags: vec!["result".to_owned(), "stream-sql".to_owned()],
        ..NewArtifact::file(sink, format)?
    })
}

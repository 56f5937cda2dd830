//! `stream-sql-once`: a query over the CSV files of a directory, for some micro-batches.

use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{fs, io, thread};

use arrow::datatypes::{DataType, Schema, SchemaRef};
use serde_json::{Map, Value};
use velaria::{
    Environment, Error, ErrorCode, Format as FileFormat, ReadOptions, Result, Session, SessionConfig, StreamOptions,
    StreamingQuery, wait,
};
use velaria_workspace::Run;

use super::artifact::{absolute, describe};
use super::batch::sections;
use super::worker::{Done, Payload};
use crate::Check;
use crate::args::StreamSqlOnceAction;
use crate::command::{Table, collect};

/// How long a wait takes between two looks at whether it shall end.
const TICK: Duration = Duration::from_millis(50);

/// Runs `stream-sql-once`.
pub(super) fn run<'a>(action: &'a StreamSqlOnceAction, run: &Run, check: Check<'_>) -> Result<Done<'a>> {
    if !is_insert(&action.query) {
        let message = "--query for stream-sql-once must start with INSERT INTO";
        return Err(Error::new(ErrorCode::InvalidArgument, message));
    }
    let path = match &action.sink_path {
        Some(path) => absolute(path)?,
        None => run.artifacts_dir().join("stream_result.csv"),
    };
    let query = begin(action, &path, run, &mut *check)?;
    query.start()?;
    run.append_progress_snapshot(&query.snapshot_json()?)?;
    let processed_batches = ended(&query, &mut *check)?;
    run.append_progress_snapshot(&query.snapshot_json()?)?;
    let rows = rows(action, &path, check)?;
    let artifact = describe(&rows, &path, "csv", "stream-sql-once")?;
    let payload = Payload::Stream { processed_batches, rows, progress: Box::new(query.progress()) };
    Ok(Done { payload, artifacts: vec![artifact] })
}

fn is_insert(query: &str) -> bool {
    let mut words = query.split_whitespace();
    let mut is = |wanted: &str| words.next().is_some_and(|word| word.eq_ignore_ascii_case(wanted));
    is("INSERT") && is("INTO")
}

/// The files of `folder`. Their columns are those of the first file, which is waited for.
fn source(
    session: &Session,
    folder: &Path,
    reader: &ReadOptions,
    check: Check<'_>,
) -> Result<velaria::StreamingDataFrame> {
    loop {
        match session.read_stream_csv_dir(&folder.display().to_string(), reader) {
            Err(_) if has_no_entry(folder) => {
                check()?;
                thread::sleep(TICK);
            }
            read => return read,
        }
    }
}

fn has_no_entry(folder: &Path) -> bool {
    match fs::read_dir(folder) {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    }
}

/// The query, not started; what it will do is a file of the run.
fn begin(action: &StreamSqlOnceAction, sink: &Path, run: &Run, check: Check<'_>) -> Result<StreamingQuery> {
    let session = Session::new(action.limits.config())?;
    let reader = ReadOptions::new().with("delimiter", &action.source_delimiter);
    let source = source(&session, &action.source_csv_dir, &reader, &mut *check)?;
    session.create_stream_view(&action.source_table, &source)?;
    let create = format!(
        "CREATE SINK TABLE {} ({}) USING csv OPTIONS (path: {}, delimiter: {})",
        quoted(&action.sink_table, '"'),
        action.sink_schema,
        quoted(&sink.to_string_lossy(), '\''),
        quoted(&action.sink_delimiter, '\''),
    );
    let (options, text) = (options(action)?, action.query.clone());
    let (query, explain) = wait(
        async move {
            session.sql(&create).await?;
            let explain = session.explain_stream_sql(&text, &options).await?;
            Ok((session.stream_query(&text, &options, Environment::default()).await?, explain))
        },
        check,
    )?;
    let explain = explain.to_json();
    run.write_explain(&sections(explain.logical, explain.physical, explain.strategy))?;
    Ok(query)
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

/// Waits for the end of the query, and gives the number of its micro-batches.
fn ended(query: &StreamingQuery, check: Check<'_>) -> Result<u64> {
    loop {
        if let Some(batches) = query.wait(0, Some(TICK))? {
            return Ok(batches);
        }
        if let Err(interrupt) = check() {
            query.stop();
            return Err(interrupt);
        }
    }
}

/// The rows of the file that the query wrote. Columns that were declared as text stay text.
fn rows(action: &StreamSqlOnceAction, path: &Path, check: Check<'_>) -> Result<Table> {
    let declared = declared(action, &mut *check)?;
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
        async move { Session::new(config)?.read(&path.to_string_lossy(), Some(FileFormat::Csv), &options).await },
        &mut *check,
    )?;
    collect(frame, check)
}

/// The columns of the sink, as a table of them has them.
fn declared(action: &StreamSqlOnceAction, check: Check<'_>) -> Result<SchemaRef> {
    let create = format!("CREATE TABLE result ({})", action.sink_schema);
    wait(
        async move {
            let session = Session::new(SessionConfig::default().without_local_files())?;
            session.sql(&create).await?;
            Ok(session.sql("SELECT * FROM result").await?.schema())
        },
        check,
    )
}

fn text_columns(schema: &Schema) -> Value {
    let is_text = |data_type: &DataType| matches!(data_type, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View);
    let texts = schema.fields().iter().filter(|field| is_text(field.data_type()));
    Value::Object(texts.map(|field| (field.name().clone(), Value::from("STRING"))).collect::<Map<_, _>>())
}

fn quoted(text: &str, quote: char) -> String {
    let doubled: String = [quote, quote].iter().collect();
    format!("{quote}{}{quote}", text.replace(quote, &doubled))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_of_a_run_inserts() {
        assert!(is_insert(" insert\n INTO s SELECT 1"));
        assert!(!is_insert("SELECT 1") && !is_insert("INSERT") && !is_insert("INSERTINTO s"));
    }
}

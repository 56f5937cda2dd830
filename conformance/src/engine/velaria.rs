//! The engine in process, with a given number of threads.

use std::sync::Arc;

use velaria::arrow::datatypes::{DataType, SchemaRef};
use velaria::arrow::record_batch::RecordBatch;
use velaria::{CsvOptions, DataFrame, Session, SessionConfig, StreamOptions, StreamingQuery};

use super::directive::Verb;
use super::emissions::{Emitted, micro_batches, options_of, planned, run};
use super::{Connection, Directive, Surface, SurfaceError, Table};
use crate::corpus::{DataFile, Format};
use crate::render::{Cell, Letter, rows_of_batch};

/// The engine in process.
#[derive(Debug, Clone)]
pub struct EngineSurface {
    name: String,
    threads: usize,
}

impl EngineSurface {
    /// The engine with `threads` threads, named `engine-<threads>`.
    #[must_use]
    pub fn new(threads: usize) -> Self {
        Self { name: format!("engine-{threads}"), threads }
    }

    /// A new session.
    pub(super) fn open(&self) -> Result<EngineConnection, SurfaceError> {
        let session = Session::new(SessionConfig::default().with_threads(self.threads)).map_err(report)?;
        Ok(EngineConnection { session })
    }
}

impl Surface for EngineSurface {
    fn name(&self) -> &str {
        &self.name
    }

    fn connect(&self) -> Result<Box<dyn Connection>, SurfaceError> {
        Ok(Box::new(self.open()?))
    }
}

/// A session in process.
pub(super) struct EngineConnection {
    pub(super) session: Session,
}

impl EngineConnection {
    /// The rows of a batch statement.
    pub(super) fn collect(&self, sql: &str) -> Result<(SchemaRef, Vec<RecordBatch>), SurfaceError> {
        let (session, sql) = (self.session.clone(), sql.to_owned());
        blocking(async move {
            let frame = session.sql(&sql).await?;
            Ok((frame.schema(), frame.collect().await?))
        })
    }

    fn create_stream(&self, name: &str, sql: &str) -> Result<Table, SurfaceError> {
        let (schema, batches) = self.collect(sql)?;
        let batches = micro_batches(&schema, &batches)?;
        let rest: Vec<usize> = (1..schema.fields().len()).collect();
        let schema = schema.project(&rest).map_err(|error| SurfaceError::Broken(error.to_string()))?;
        let frame = self.session.create_stream_from_arrow(Arc::new(schema), batches).map_err(report)?;
        self.session.create_stream_view(name, &frame).map_err(report)?;
        Ok(Table { names: Vec::new(), letters: Vec::new(), rows: Vec::new() })
    }

    fn emitted(&self, sql: &str, options: &StreamOptions) -> Result<Emitted, SurfaceError> {
        planned(&self.session, sql, options).and_then(|frame| run(&self.session, &frame, options)).map_err(report)
    }

    fn explain(&self, sql: &str, options: StreamOptions) -> Result<Table, SurfaceError> {
        let (session, sql) = (self.session.clone(), sql.to_owned());
        let explain = blocking(async move { session.explain_stream_sql(&sql, &options).await })?;
        let rows = explain.to_string().lines().map(|line| vec![line.to_owned()]).collect();
        Ok(texts(vec!["explain".to_owned()], rows))
    }

    fn start(&self, sql: &str, options: StreamOptions) -> Result<Table, SurfaceError> {
        let (session, sql) = (self.session.clone(), sql.to_owned());
        let query = blocking(async move { session.start_stream_sql(&sql, &options).await })?;
        let batches = query.await_termination(0, None).map_err(report)?;
        Ok(Table {
            names: vec!["batches".to_owned()],
            letters: vec![Letter::of(&DataType::UInt64)],
            rows: vec![vec![batches.to_string()]],
        })
    }
}

/// A table of text columns.
fn texts(names: Vec<String>, rows: Vec<Vec<String>>) -> Table {
    let letters = names.iter().map(|_| Letter::of(&DataType::Utf8)).collect();
    Table { names, letters, rows }
}

/// One row with the fields of the progress, as text.
fn progress(query: &StreamingQuery, fields: &[String]) -> Result<Table, SurfaceError> {
    let broken = |error: serde_json::Error| SurfaceError::Broken(error.to_string());
    let text = query.snapshot_json().map_err(report)?;
    let all: serde_json::Value = serde_json::from_str(&text).map_err(broken)?;
    let cell = |field: &String| match all.get(field) {
        Some(serde_json::Value::String(text)) => Cell::Text(text.clone()).to_string(),
        Some(serde_json::Value::Null) | None => Cell::Null.to_string(),
        Some(other) => other.to_string(),
    };
    Ok(texts(fields.to_vec(), vec![fields.iter().map(cell).collect()]))
}

impl Connection for EngineConnection {
    fn execute(&mut self, sql: &str) -> Result<Table, SurfaceError> {
        let (schema, batches) = self.collect(sql)?;
        table(&schema, &batches)
    }

    fn stream(&mut self, directive: &Directive, sql: &str) -> Result<Table, SurfaceError> {
        let options = options_of(directive)?;
        match &directive.verb {
            Verb::Stream(name) => self.create_stream(name, sql),
            Verb::Run => {
                let emitted = self.emitted(sql, &options)?;
                table(&emitted.schema, &emitted.batches)
            }
            Verb::Last => {
                let emitted = self.emitted(sql, &options)?;
                table(&emitted.schema, emitted.batches.last().map_or(&[], std::slice::from_ref))
            }
            Verb::Progress(fields) => progress(&self.emitted(sql, &options)?.query, fields),
            Verb::Explain => self.explain(sql, options),
            Verb::Start => self.start(sql, options),
        }
    }

    fn register(&mut self, file: &DataFile) -> Result<(), SurfaceError> {
        let (session, file) = (self.session.clone(), file.clone());
        blocking(async move {
            let frame = read(&session, &file).await?;
            session.create_temp_view(&file.view, &frame)
        })
    }
}

async fn read(session: &Session, file: &DataFile) -> velaria::Result<DataFrame> {
    let path = file.path.to_string_lossy();
    match file.format {
        Format::Csv => session.read_csv(&path, &CsvOptions::default()).await,
        Format::Parquet => session.read_parquet(&path).await,
        Format::Ndjson => session.read_json(&path).await,
    }
}

/// Waits for the engine.
pub(super) fn blocking<T: Send + 'static>(
    future: impl Future<Output = velaria::Result<T>> + Send + 'static,
) -> Result<T, SurfaceError> {
    velaria::wait(future, || Ok(())).map_err(report)
}

/// An error as the surface tells it.
#[expect(clippy::needless_pass_by_value, reason = "called by map_err")]
pub(super) fn report(error: velaria::Error) -> SurfaceError {
    SurfaceError::Report(error.report().to_string())
}

/// Canonical cells.
pub(super) fn table(schema: &SchemaRef, batches: &[RecordBatch]) -> Result<Table, SurfaceError> {
    let mut rows = Vec::new();
    for batch in batches {
        if batch
            .schema()
            .fields()
            .iter()
            .map(|field| field.data_type())
            .ne(schema.fields().iter().map(|field| field.data_type()))
        {
            return Err(SurfaceError::Broken(format!(
                "a batch has another schema than its frame: {:?}",
                batch.schema()
            )));
        }
        rows.extend(rows_of_batch(batch).map_err(|error| SurfaceError::Broken(error.to_string()))?);
    }
    Ok(Table {
        names: schema.fields().iter().map(|field| field.name().clone()).collect(),
        letters: schema.fields().iter().map(|field| Letter::of(field.data_type())).collect(),
        rows,
    })
}

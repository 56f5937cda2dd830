//! Runs a stream case: explained, made, and run to its end, with clocks that stand still.

use std::error::Error;
use std::fmt::Write;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tempfile::TempDir;
use velaria::arrow::array::RecordBatch;
use velaria::arrow::util::pretty::pretty_format_batches;
use velaria::stream::{
    ConsoleOutput, ConsoleSinkTable, ManualClock, MemorySinkTable, MemoryStream, SinkTable, StreamExplain,
    StreamingQueryProgress,
};
use velaria::{Environment, ErrorReport, Session, SessionConfig, StreamOptions, StreamingQuery, Syncing};

use crate::case::{StreamCase, StreamInput, StreamSinkKind};

/// What the calendar says: 2026-03-29 10:00 in UTC.
const WALL_MS: i64 = 1_774_778_400_000;
/// A query that has not ended by then hangs.
const PATIENCE: Duration = Duration::from_secs(60);
/// The folder of the case, in statements and in what is shown.
const WORK: &str = "{work}";

/// What became of a case.
#[derive(Debug)]
pub enum StreamOutcome {
    /// The statement was refused.
    Refused(ErrorReport),
    /// It was explained and run.
    Ran {
        /// What the engine says it will do.
        explained: StreamExplain,
        /// The first query, and the one that goes on from its checkpoint.
        runs: Vec<StreamRun>,
    },
}

/// One query, from its making to its end.
#[derive(Debug)]
pub struct StreamRun {
    /// What the query itself says it will do.
    pub explained: StreamExplain,
    /// Before it was started.
    pub created: StreamingQueryProgress,
    /// After its end.
    pub ended: StreamingQueryProgress,
    /// Why it failed, if it did.
    pub error: Option<String>,
    /// The manifest of its checkpoint.
    pub checkpoint: Option<String>,
    /// What its sink holds.
    pub output: String,
}

/// Runs a case in a folder of its own.
///
/// # Errors
/// When the case cannot be set up, or a query does not end.
pub fn run_stream(case: &StreamCase) -> Result<StreamOutcome, Box<dyn Error>> {
    let work = Work::new(case)?;
    let session = prepare(case, &work)?;
    let options = options(case, &work, false)?;
    let explained = {
        let (session, sql, options) = (session.clone(), work.expand(&case.sql), options.clone());
        velaria::wait(async move { session.explain_stream_sql(&sql, &options).await }, || Ok(()))
    };
    let explained = match explained {
        Ok(explained) => explained,
        Err(error) => return Ok(StreamOutcome::Refused(error.report())),
    };
    let mut runs = vec![run(case, &work, &session, options)?];
    if case.restart.is_some() {
        runs.push(run(case, &work, &session, self::options(case, &work, true)?)?);
    }
    Ok(StreamOutcome::Ran { explained, runs })
}

fn run(case: &StreamCase, work: &Work, session: &Session, options: StreamOptions) -> Result<StreamRun, Box<dyn Error>> {
    let checkpoint = PathBuf::from(&options.checkpoint_path).join("checkpoint.json");
    let sink = Sink::new(case.sink);
    let query = query(case, work, session, &sink, options).map_err(|error| error.report().to_string())?;
    let created = query.progress();
    let error = match query.wait(0, Some(PATIENCE)) {
        Ok(Some(_)) => None,
        Ok(None) => return Err(format!("the query has not ended: {}", query.snapshot_json()?).into()),
        Err(error) => Some(work.redact(&error.report().to_string())),
    };
    Ok(StreamRun {
        explained: query.explain(),
        created,
        ended: query.progress(),
        error,
        checkpoint: fs::read_to_string(checkpoint).ok().map(|text| work.redact(&text)),
        output: case.output.as_ref().map_or_else(|| sink.shown(), |name| Ok(shown_file(&work.path(name))))?,
    })
}

fn query(
    case: &StreamCase,
    work: &Work,
    session: &Session,
    sink: &Sink,
    options: StreamOptions,
) -> velaria::Result<StreamingQuery> {
    let environment = Environment {
        clock: Arc::new(ManualClock::new(WALL_MS)),
        syncing: Syncing::Inline,
        query_id: Some("stream-query-1".to_owned()),
        ..Environment::default()
    };
    let (session, sql) = (session.clone(), work.expand(&case.sql));
    if case.output.is_some() {
        let query = async move { session.stream_query(&sql, &options, environment).await };
        return velaria::wait(query, || Ok(()));
    }
    let sink = sink.table();
    let query = async move { session.stream_sql(&sql, &options).await?.write_in(sink, &options, environment) };
    velaria::wait(query, || Ok(()))
}

fn options(case: &StreamCase, work: &Work, again: bool) -> Result<StreamOptions, Box<dyn Error>> {
    let mut options = StreamOptions { trigger_interval_ms: 0, ..StreamOptions::default() };
    let more = case.restart.iter().filter(|_| again).flatten();
    for (name, value) in case.options.iter().chain(more) {
        options.set(name, &work.expand(value)).map_err(|error| error.report().to_string())?;
    }
    Ok(options)
}

fn prepare(case: &StreamCase, work: &Work) -> Result<Session, Box<dyn Error>> {
    let session = Session::new(SessionConfig::default()).map_err(|error| error.report().to_string())?;
    let (own, setup) = (session.clone(), case.setup.iter().map(|sql| work.expand(sql)).collect::<Vec<_>>());
    let streams: Vec<(String, StreamInput)> =
        case.streams.iter().map(|(name, input)| (name.clone(), input.clone())).collect();
    let prepared = async move {
        for statement in &setup {
            own.sql(statement).await?;
        }
        for (name, input) in &streams {
            create_stream(&own, name, input).await?;
        }
        Ok(())
    };
    velaria::wait(prepared, || Ok(())).map_err(|error| error.report().to_string())?;
    Ok(session)
}

/// The rows of a micro-batch go through a table, so that a case states them in SQL.
async fn create_stream(session: &Session, name: &str, input: &StreamInput) -> velaria::Result<()> {
    let mut batches = Vec::new();
    session.sql(&format!("CREATE TABLE golden_rows ({})", input.columns)).await?;
    let schema = session.sql("SELECT * FROM golden_rows").await?.schema();
    for rows in &input.batches {
        session.sql("DELETE FROM golden_rows").await?;
        if !rows.is_empty() {
            session.sql(&format!("INSERT INTO golden_rows VALUES {rows}")).await?;
        }
        let rows = session.sql("SELECT * FROM golden_rows").await?.collect().await?;
        batches.push(velaria::arrow::compute::concat_batches(&schema, &rows).map_err(|error| {
            velaria::Error::new(velaria::ErrorCode::Internal, "rows of one table do not fit").with_source(error)
        })?);
    }
    session.sql("DROP TABLE golden_rows").await?;
    let stream = Arc::new(MemoryStream::new(schema, batches)?);
    session.create_stream_view(name, &session.read_stream_table(name, stream)?)
}

/// The folder of a case, gone at its end.
struct Work {
    folder: TempDir,
}

impl Work {
    fn new(case: &StreamCase) -> io::Result<Self> {
        let work = Self { folder: tempfile::tempdir()? };
        for (name, text) in &case.files {
            let path = work.path(name);
            fs::create_dir_all(path.parent().unwrap_or(&path))?;
            fs::write(path, text)?;
        }
        Ok(work)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn expand(&self, text: &str) -> String {
        text.replace(WORK, &self.folder.path().to_string_lossy())
    }

    fn redact(&self, text: &str) -> String {
        text.replace(self.folder.path().to_string_lossy().as_ref(), WORK)
    }
}

/// The place of the rows of a SELECT.
enum Sink {
    Memory(MemorySinkTable),
    Console(Arc<Console>),
}

impl Sink {
    fn new(kind: StreamSinkKind) -> Self {
        match kind {
            StreamSinkKind::Memory => Self::Memory(MemorySinkTable::new()),
            StreamSinkKind::Console => Self::Console(Arc::default()),
        }
    }

    fn table(&self) -> Arc<dyn SinkTable> {
        match self {
            Self::Memory(sink) => Arc::new(sink.clone()),
            Self::Console(console) => Arc::new(ConsoleSinkTable::new(Arc::<Console>::clone(console))),
        }
    }

    fn shown(&self) -> Result<String, Box<dyn Error>> {
        match self {
            Self::Memory(sink) => shown_batches(&sink.batches()),
            Self::Console(console) => Ok(console.text.lock().unwrap_or_else(PoisonError::into_inner).clone()),
        }
    }
}

/// Each batch is a table, as it came.
fn shown_batches(batches: &[RecordBatch]) -> Result<String, Box<dyn Error>> {
    let mut text = String::new();
    for batch in batches {
        writeln!(text, "{}", pretty_format_batches(std::slice::from_ref(batch))?)?;
    }
    Ok(text)
}

/// The text of a file, or of the files of a folder below their names.
fn shown_file(path: &Path) -> String {
    let Ok(entries) = fs::read_dir(path) else { return fs::read_to_string(path).unwrap_or_default() };
    // The others belong to the sink: its lock, and rows that are not committed.
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.retain(|path| path.extension().is_some());
    paths.sort();
    let shown = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        format!("[{name}]\n{}", shown_file(path))
    };
    paths.iter().map(shown).collect()
}

/// A terminal.
#[derive(Debug, Default)]
struct Console {
    text: Mutex<String>,
}

impl ConsoleOutput for Console {
    fn write_text(&self, text: &str) -> io::Result<()> {
        self.text.lock().unwrap_or_else(PoisonError::into_inner).push_str(text);
        Ok(())
    }
}

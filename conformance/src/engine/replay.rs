//! Batch queries as streams: the first table that a SELECT reads is cut into small micro-batches, the query runs over them,
//! and what it ends with has to be what the batch query answers.
//!
//! Only that one table becomes a stream; the others stay tables. What stream SQL refuses runs as a batch, and is counted.

mod rewrite;

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use velaria::arrow::array::RecordBatch;
use velaria::arrow::compute::concat_batches;
use velaria::arrow::datatypes::SchemaRef;
use velaria::stream::EmissionKind;
use velaria::{ErrorCode, StreamOptions};

use self::rewrite::{Rewritten, rewrite};
use super::emissions::{Emitted, planned, run};
use super::velaria::{EngineConnection, EngineSurface, table};
use super::{Connection, Directive, Surface, SurfaceError, Table};
use crate::corpus::DataFile;

/// The most rows of a micro-batch.
const ROWS: u64 = 5;

/// The engine in process, with micro-batches below its SELECTs.
#[derive(Debug, Clone)]
pub struct ReplaySurface {
    engine: EngineSurface,
    seed: u64,
    tally: Arc<Mutex<Tally>>,
}

/// What became of the statements.
#[derive(Debug, Default)]
struct Tally {
    streamed: u64,
    /// The reason, and how often.
    others: BTreeMap<String, u64>,
}

impl ReplaySurface {
    /// `seed` says where tables are cut.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { engine: EngineSurface::new(1), seed, tally: Arc::default() }
    }
}

// Counts are whole whatever happened to the thread that held them.
fn lock(tally: &Mutex<Tally>) -> MutexGuard<'_, Tally> {
    tally.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Surface for ReplaySurface {
    fn name(&self) -> &str {
        "replay"
    }

    fn connect(&self) -> Result<Box<dyn Connection>, SurfaceError> {
        let engine = self.engine.open()?;
        Ok(Box::new(ReplayConnection { engine, seed: self.seed, streams: 0, tally: Arc::clone(&self.tally) }))
    }

    fn notes(&self) -> Vec<String> {
        let tally = lock(&self.tally);
        let mut others: Vec<(&String, &u64)> = tally.others.iter().collect();
        others.sort_by_key(|(reason, count)| (std::cmp::Reverse(**count), reason.as_str()));
        let mut notes = vec![format!("{} statements ran as streams (seed {})", tally.streamed, self.seed)];
        notes.extend(others.iter().map(|(reason, count)| format!("{count} statements did not: {reason}")));
        notes
    }
}

struct ReplayConnection {
    engine: EngineConnection,
    seed: u64,
    streams: u64,
    tally: Arc<Mutex<Tally>>,
}

/// Why a statement did not run as a stream.
enum Other {
    /// That is how it should be.
    Reason(String),
    /// It should have.
    Wrong(SurfaceError),
}

impl From<SurfaceError> for Other {
    fn from(error: SurfaceError) -> Self {
        Self::Wrong(error)
    }
}

impl Connection for ReplayConnection {
    fn execute(&mut self, sql: &str) -> Result<Table, SurfaceError> {
        let expected = self.engine.execute(sql);
        let outcome = match &expected {
            Ok(expected) => self.replay(sql, expected),
            Err(_) => Err(Other::Reason("the batch query is refused or fails".to_owned())),
        };
        match outcome {
            Ok(streamed) => {
                lock(&self.tally).streamed += 1;
                Ok(streamed)
            }
            Err(Other::Reason(reason)) => {
                *lock(&self.tally).others.entry(reason).or_default() += 1;
                expected
            }
            Err(Other::Wrong(error)) => Err(error),
        }
    }

    fn stream(&mut self, directive: &Directive, sql: &str) -> Result<Table, SurfaceError> {
        self.engine.stream(directive, sql)
    }

    fn register(&mut self, file: &DataFile) -> Result<(), SurfaceError> {
        self.engine.register(file)
    }
}

impl ReplayConnection {
    /// The answer of the stream query, in the order of the batch query where a stream has none.
    fn replay(&mut self, sql: &str, expected: &Table) -> Result<Table, Other> {
        self.streams += 1;
        let stream = format!("replay_{}", self.streams);
        let (Rewritten { text, ordered, .. }, schema, rows) = self.first_table(sql, &stream)?;
        let batches = self.cut(sql, &schema, &rows)?;
        if batches.is_empty() {
            return Err(Other::Reason("its table is empty".to_owned()));
        }
        let session = &self.engine.session;
        let frame = session.create_stream_from_arrow(schema, batches);
        let registered = frame.and_then(|frame| session.create_stream_view(&stream, &frame));
        registered.map_err(|error| wrong(&error))?;
        let (answer, has_totals) = self.answer(&text)?;
        Ok(settled(answer, expected, ordered && has_totals))
    }

    /// The first name that is a table, and its rows.
    fn first_table(&self, sql: &str, stream: &str) -> Result<(Rewritten, SchemaRef, Vec<RecordBatch>), Other> {
        let read = |found: Rewritten| {
            let (schema, rows) = self.engine.collect(&format!("SELECT * FROM {}", found.table)).ok()?;
            Some((found, schema, rows))
        };
        rewrite(sql, stream)
            .into_iter()
            .find_map(read)
            .ok_or_else(|| Other::Reason("not a SELECT that reads a table by its name".to_owned()))
    }

    /// The rows in micro-batches of one to [`ROWS`] rows; the statement and the seed say which.
    fn cut(&self, sql: &str, schema: &SchemaRef, rows: &[RecordBatch]) -> Result<Vec<RecordBatch>, SurfaceError> {
        let all = concat_batches(schema, rows).map_err(|error| SurfaceError::Broken(error.to_string()))?;
        let mut hasher = DefaultHasher::new();
        (self.seed, sql).hash(&mut hasher);
        let mut random = hasher.finish();
        let mut batches = Vec::new();
        let mut start = 0;
        while start < all.num_rows() {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let rows = usize::try_from((random >> 33) % ROWS + 1).unwrap_or(1).min(all.num_rows() - start);
            batches.push(all.slice(start, rows));
            start += rows;
        }
        Ok(batches)
    }

    /// What the stream query ends with, and whether it has totals: then it is the last emission, else all rows.
    fn answer(&self, text: &str) -> Result<(Table, bool), Other> {
        let session = &self.engine.session;
        let options = |output_mode| StreamOptions { trigger_interval_ms: 0, output_mode, ..StreamOptions::default() };
        let planned_as = |mode| planned(session, text, &options(mode)).map(|frame| (frame, options(mode)));
        let planned = match planned_as(EmissionKind::Complete) {
            // Rows that are treated alone have no complete result to tell again and again.
            Err(error) if error.code() == ErrorCode::InvalidStatement => planned_as(EmissionKind::Update),
            planned => planned,
        };
        let (frame, options) = planned.map_err(|error| refused(&error))?;
        let Emitted { schema, batches, query } = run(session, &frame, &options).map_err(|error| wrong(&error))?;
        let has_totals = query.progress().has_stateful_ops;
        let whole = if has_totals { batches.last().map_or(&[][..], std::slice::from_ref) } else { &batches };
        Ok((table(&schema, whole)?, has_totals))
    }
}

/// The codes of what stream SQL does not take: shapes, tables in the place of streams, columns that share a name.
const REFUSALS: [ErrorCode; 4] =
    [ErrorCode::Unsupported, ErrorCode::InvalidStatement, ErrorCode::TableKind, ErrorCode::DuplicateColumn];

/// A refusal of stream SQL is a reason; any other error is wrong, for the batch query has an answer.
fn refused(error: &velaria::Error) -> Other {
    match REFUSALS.contains(&error.code()) {
        // What follows a colon is a name of this statement.
        true => Other::Reason(error.message().split(": ").next().unwrap_or_default().to_owned()),
        false => wrong(error),
    }
}

fn wrong(error: &velaria::Error) -> Other {
    Other::Wrong(SurfaceError::Report(format!("as a stream: {}", error.report())))
}

/// The rows in the order of the batch query, if they are the same rows and their order is free.
fn settled(answer: Table, expected: &Table, ordered: bool) -> Table {
    let sorted = |table: &Table| {
        let mut rows = table.rows.clone();
        rows.sort();
        rows
    };
    let same = answer.letters == expected.letters && sorted(&answer) == sorted(expected);
    if same && !ordered { expected.clone() } else { answer }
}

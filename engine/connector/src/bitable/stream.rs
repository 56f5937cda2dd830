//! A table as a stream: its records, and then those that are modified.
//!
//! The table is asked again and again for what was modified since. The service compares days, and pages shift while people
//! write, so each question overlaps with what is known, and [`Seen`] leaves out the versions of records that were given
//! before. A question goes on from the same time until one of its snapshots is whole. Records that are deleted are not told.

mod poll;
mod seen;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use serde::Deserialize;
use tokio::sync::mpsc::{self, Receiver};
use tokio::time::timeout;
use velaria_contract::{Error, ErrorCode, Result};

use self::poll::{News, Poller};
use self::seen::Seen;
use super::fields::Columns;
use super::read::BitableSource;
use crate::network::{self, Task};
use crate::{Pull, Pulling, Replay, SourceContext, SourceDescription, SourceOffset, StreamSource, StreamTable};

/// How long a query waits for rows before it looks whether it shall stop.
const TICK: Duration = Duration::from_millis(50);

/// How a table is followed.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BitableStreamSettings {
    /// The pause between two questions.
    pub poll_interval_ms: u64,
    /// How far a question goes back behind the last modification that is known.
    pub overlap_ms: u64,
    /// Whether the stream ends when everything that is there was given.
    pub bounded: bool,
}

impl Default for BitableStreamSettings {
    fn default() -> Self {
        Self { poll_interval_ms: 5_000, overlap_ms: 60_000, bounded: false }
    }
}

impl BitableStreamSettings {
    /// The settings that a JSON object spells.
    ///
    /// # Errors
    /// `VEL-7001` for a setting that there is not, and for a value that it cannot have.
    pub fn parse(json: &str) -> Result<Self> {
        serde_json::from_str(json)
            .map_err(|error| Error::new(ErrorCode::InvalidArgument, format!("options of a Bitable stream: {error}")))
    }
}

/// The stream of a table. Every query that reads it asks for itself.
#[derive(Debug)]
pub struct BitableStream {
    source: BitableSource,
    settings: BitableStreamSettings,
    columns: Columns,
    schema: SchemaRef,
    warnings: Mutex<Vec<String>>,
}

impl BitableStream {
    /// Looks at the fields of the table; they are the columns from then on.
    ///
    /// # Errors
    /// Those of [`super::read_records`], and `VEL-7001` for a query with an order or a number of rows: the stream has its own.
    pub async fn open(source: &BitableSource, settings: BitableStreamSettings) -> Result<Self> {
        if source.query.sort.is_some() || source.query.max_rows.is_some() || source.query.filter.is_some() {
            return Err(Error::new(ErrorCode::InvalidArgument, "a Bitable stream has no sort, filter and max_rows")
                .with_hint("say them in the query that reads the stream"));
        }
        let source = source.resolved().await?;
        let warnings = Vec::from_iter(source.check_view().await?);
        let columns = source.columns().await?;
        let schema = columns.schema();
        Ok(Self { source, settings, columns, schema, warnings: Mutex::new(warnings) })
    }

    /// What a person should know; each is said once.
    #[must_use]
    pub fn take_warnings(&self) -> Vec<String> {
        std::mem::take(&mut *self.warnings.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl StreamTable for BitableStream {
    fn description(&self) -> SourceDescription {
        SourceDescription {
            schema: Arc::clone(&self.schema),
            bounded: self.settings.bounded,
            // A version of a record that was overwritten since cannot be read again.
            replay: Replay::None,
            pulling: Pulling::Blocking,
        }
    }

    fn reader(&self) -> Result<Box<dyn StreamSource>> {
        let poller = Poller::new(self.source.clone(), self.settings.clone(), self.columns.clone());
        Ok(Box::new(BitableReader { poller: Some(poller), running: None, history: None }))
    }
}

/// The reader of one query.
struct BitableReader {
    poller: Option<Poller>,
    running: Option<Running>,
    history: Option<RecordBatch>,
}

/// The task that asks, and what it has found: one page is asked for while another is computed with.
struct Running {
    news: Receiver<News>,
    task: Option<Task<()>>,
}

impl StreamSource for BitableReader {
    fn open(&mut self, context: &SourceContext, resume: Option<&SourceOffset>) -> Result<()> {
        let mut poller =
            self.poller.take().ok_or_else(|| Error::new(ErrorCode::Closed, "the stream is read already"))?;
        if let Some(offset) = resume {
            poller.go_on(offset, Seen::of_history(&context.history)?)?;
        }
        let (sender, news) = mpsc::channel(1);
        let signal = Arc::clone(&context.signal);
        let task = network::spawn(async move { poller.run(&sender, &signal).await })?;
        self.running = Some(Running { news, task: Some(task) });
        Ok(())
    }

    fn next_batch(&mut self, _: &SourceContext) -> Result<Pull> {
        let Some(running) = &mut self.running else { return Ok(Pull::End) };
        let waited = network::handle()?.block_on(async { timeout(TICK, running.news.recv()).await });
        match waited {
            Err(_) => Ok(Pull::Idle),
            Ok(Some(News { batch, history, offset })) => {
                self.history = history;
                Ok(Pull::Batch(batch, offset))
            }
            // The task has let go of its end: it says why.
            Ok(None) => {
                let ended = running
                    .task
                    .take()
                    .map_or(Ok(()), |task| network::handle().and_then(|handle| handle.block_on(task)));
                ended.map(|()| Pull::End)
            }
        }
    }

    fn take_history(&mut self) -> Option<RecordBatch> {
        self.history.take()
    }

    fn close(&mut self) -> Result<()> {
        self.running = None;
        Ok(())
    }
}

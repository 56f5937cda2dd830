//! The process that is killed.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use velaria::{Session, SessionConfig, StreamOptions, StreamingQuery};

use super::Mode;
use super::workload::{Question, Target};
use crate::{Error, Result};

/// Nobody waits for a worker that was forgotten.
const LIFE_MAX: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_millis(3);

/// Runs one stream query until it has read a number of rows, over all of its runs. Started and killed by `kill`.
#[derive(Debug, clap::Args)]
pub(crate) struct Worker {
    /// The folder of the trial.
    #[arg(long)]
    pub(super) dir: PathBuf,
    /// What the checkpoint promises.
    #[arg(long, value_enum)]
    pub(super) mode: Mode,
    /// What is asked.
    #[arg(long, value_enum)]
    pub(super) question: Question,
    /// Where the rows go.
    #[arg(long, value_enum)]
    pub(super) target: Target,
    /// Local workers.
    #[arg(long)]
    pub(super) workers: u64,
    /// The rows after which it ends.
    #[arg(long)]
    pub(super) rows: u64,
}

/// The worker, to its end.
pub(crate) fn work(worker: &Worker) -> Result<bool> {
    run(worker).map_err(|error| Error::Usage(format!("{}: {error}", error.code())))?;
    Ok(true)
}

fn run(worker: &Worker) -> velaria::Result<()> {
    let session = Session::new(SessionConfig::default().with_threads(1))?;
    for statement in worker.tables() {
        let session = session.clone();
        velaria::wait(async move { session.sql(&statement).await }, || Ok(()))?;
    }
    let text = worker.insert();
    let start = async move { session.start_stream_sql(&text, &StreamOptions::default()).await };
    let query = velaria::wait(start, || Ok(()))?;
    query.start()?;
    worker.wait(&query)
}

impl Worker {
    fn wait(&self, query: &StreamingQuery) -> velaria::Result<()> {
        let begun = Instant::now();
        while query.wait(0, Some(LOOK))?.is_none() {
            if query.progress().input_rows >= self.rows || begun.elapsed() > LIFE_MAX {
                query.stop();
            }
        }
        Ok(())
    }

    fn path(&self, name: &str) -> String {
        self.dir.join(name).to_string_lossy().replace('\'', "''")
    }

    fn tables(&self) -> [String; 2] {
        let columns: Vec<String> =
            self.question.columns().iter().map(|(name, kind)| format!("{name} {kind}")).collect();
        let target = match self.target {
            Target::File => "out.csv",
            Target::Parts => "out/",
        };
        let source = format!(
            "CREATE SOURCE TABLE arriving (id INT, k STRING, v INT) USING csv \
             OPTIONS (path: '{}', settle_ms: 0, rows_per_batch: 20)",
            self.path("in/")
        );
        let sink = format!(
            "CREATE SINK TABLE gone ({}) USING csv OPTIONS (path: '{}')",
            columns.join(", "),
            self.path(target)
        );
        [source, sink]
    }

    fn insert(&self) -> String {
        let spread = match self.workers {
            0 | 1 => String::new(),
            workers => format!(", execution_mode: 'local-workers', local_workers: {workers}"),
        };
        format!(
            "INSERT INTO gone {} OPTIONS (checkpoint_path: '{}', checkpoint_delivery_mode: '{}', \
             trigger_interval_ms: 3, idle_wait_ms: 3, accept_duplicates: true{spread})",
            self.question.sql(),
            self.path("checkpoint"),
            self.mode.name()
        )
    }
}

//! Where the rows of a stream go.
//!
//! The order of calls is: `open`, `recover` once, `begin` when there is no commit yet; then for each epoch (one micro-batch) `write` for every batch of rows, and `prepare`;
//! then the commit is made with the position that `prepare` gave; then `commit`; `close` once. A crash may come between any two.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use serde::{Deserialize, Serialize};
use velaria_contract::Result;

use crate::durable_fs::DurableFs;

/// The number of a commit, from 1.
pub type Epoch = u64;

/// What the rows of an emission mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EmissionKind {
    /// New rows; none is ever taken back.
    Append,
    /// The rows of the keys that changed, with their new values.
    Update,
    /// All rows.
    Complete,
    /// Changes: the last column `__op` says `+I`, `+U` or `-D`.
    Changelog,
}

/// What a sink can promise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SinkGuarantee {
    /// After a crash the rows of the last epochs may be there twice.
    AtLeastOnce,
    /// The rows of an epoch are seen once, and only when it is committed, at the latest after a restart.
    Transactional,
}

/// When files have to be on the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// Before the call returns.
    Now,
    /// Later, by whoever gets the list of files, and before the commit is said to be durable.
    Later,
    /// Whenever the operating system likes.
    Never,
}

/// What a sink has written, in its own words: enough to take back everything after it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct SinkPosition(pub serde_json::Value);

/// What [`StreamSink::prepare`] gives.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Prepared {
    /// Goes into the commit.
    pub position: SinkPosition,
    /// Files, and folders of new files, that are not yet on the disk: with [`Durability::Later`] only.
    pub unsynced: Vec<PathBuf>,
}

/// What is known of a sink before it is opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SinkDescription {
    /// The word of the contract: `file_append`, `console`, `memory`, `queue`, …
    pub name: String,
    /// Whether it may make the query wait.
    pub blocking: bool,
    /// What it can promise.
    pub guarantee: SinkGuarantee,
    /// The columns that it was declared with.
    pub schema: Option<SchemaRef>,
}

/// What a sink is told about the query that writes it.
#[derive(Debug, Clone)]
pub struct SinkContext {
    /// The query's id.
    pub query_id: String,
    /// Where checkpoints are kept; empty without one.
    pub checkpoint_path: String,
    /// The columns of every emission.
    pub schema: SchemaRef,
    /// What the rows mean.
    pub kind: EmissionKind,
    /// The file system.
    pub fs: Arc<dyn DurableFs>,
    /// When files have to be on the disk.
    pub durability: Durability,
}

/// The writer of one query.
pub trait StreamSink: Send {
    /// Begins.
    ///
    /// # Errors
    /// Those of writing; `VEL-5006` when the columns do not fit.
    fn open(&mut self, context: &SinkContext) -> Result<()>;

    /// Called once after `open`. With the last commit: everything after it is taken back, and what it left unpublished is
    /// published. With `None` there is no checkpoint, and what is there stays.
    ///
    /// # Errors
    /// `VEL-6102` when less is there than was committed.
    fn recover(&mut self, last: Option<(Epoch, &SinkPosition)>) -> Result<()> {
        let _ = last;
        Ok(())
    }

    /// Called once before the first epoch of a query that keeps commits: where the sink stands before any row of the query. It is
    /// remembered as epoch 0, so that rows of a first epoch that was never committed can be taken back. `None` when the sink takes
    /// nothing back.
    ///
    /// # Errors
    /// Those of writing.
    fn begin(&mut self) -> Result<Option<SinkPosition>> {
        Ok(None)
    }

    /// Takes rows of an epoch.
    ///
    /// # Errors
    /// Those of writing.
    fn write(&mut self, epoch: Epoch, batch: &RecordBatch) -> Result<()>;

    /// All rows of the epoch were written: they are handed to the operating system, and to the disk if that is asked for.
    ///
    /// # Errors
    /// Those of writing.
    fn prepare(&mut self, epoch: Epoch) -> Result<Prepared>;

    /// The epoch is committed: its rows become visible. May be called again after a crash.
    ///
    /// # Errors
    /// Those of writing.
    fn commit(&mut self, epoch: Epoch, position: &SinkPosition) -> Result<()> {
        let _ = (epoch, position);
        Ok(())
    }

    /// Lets go of what is held. Called once, also after an error.
    ///
    /// # Errors
    /// Those of writing.
    fn close(&mut self) -> Result<()> {
        Ok(())
    }
}

/// The rows of one commit.
#[derive(Debug, Clone, Copy)]
pub struct CommittedRows<'a> {
    /// The file system.
    pub fs: &'a dyn DurableFs,
    /// The number of the commit.
    pub epoch: Epoch,
    /// What [`StreamSink::prepare`] gave.
    pub position: &'a SinkPosition,
    /// When files have to be on the disk.
    pub durability: Durability,
}

/// A place that queries can write to.
pub trait SinkTable: std::fmt::Debug + Send + Sync {
    /// What is known before it is written.
    fn description(&self) -> SinkDescription;

    /// A writer for one query.
    ///
    /// # Errors
    /// `VEL-7001` when the sink takes one query at a time and has one.
    fn writer(&self) -> Result<Box<dyn StreamSink>>;

    /// Whether the rows that were committed with `position` are there as they were written. With a durability other than
    /// [`Durability::Never`] they are on the disk afterwards. Asked before a writer is opened, for the commits that a power failure
    /// may have kept while it took their rows, in the order of the commits.
    ///
    /// # Errors
    /// Those of reading.
    fn holds(&self, at: &CommittedRows<'_>) -> Result<bool> {
        let _ = at;
        Ok(true)
    }

    /// The file or folder that it writes, for the rules of the session; `None` when it writes none.
    fn place(&self) -> Option<&Path> {
        None
    }

    /// The query is told to stop: a writer that waits in another thread comes back with `VEL-8002`.
    fn interrupt(&self) {}
}

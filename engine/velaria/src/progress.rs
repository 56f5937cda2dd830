//! What running queries have read, for a listener of their session.
//!
//! Scans count what they hand out. The thread that waits for a query tells the listener now and then; nothing is counted
//! and nobody is told where a session has no listener.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use arrow::array::RecordBatch;
use datafusion::logical_expr::LogicalPlan;

use crate::files_read::FilesRead;
use crate::slice_bytes::slice_bytes;

/// How often a listener is told.
const INTERVAL: Duration = Duration::from_millis(100);

/// What a query has read so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// The rows that its scans have handed out.
    pub rows: u64,
    /// What these rows take in memory.
    pub bytes: u64,
    /// The rows of all that it scans, where that is known without reading.
    pub rows_total: Option<u64>,
    /// The bytes that it has read of files whose readers count them, which are those of text and of Arrow.
    pub file_bytes: u64,
    /// The bytes of all files that it reads, where they are all counted.
    pub file_bytes_total: Option<u64>,
    /// The time since it began.
    pub elapsed: Duration,
    /// Whether it has ended: it is not told of again.
    pub finished: bool,
}

/// Who is told of the queries of a session.
///
/// It is called by the thread that waits for a query, or by one of the engine where no thread waits; it must not wait for
/// a query itself.
#[derive(Clone)]
pub struct ProgressListener(Arc<dyn Fn(&Progress) + Send + Sync>);

impl ProgressListener {
    /// A listener that calls `tell`.
    pub fn new(tell: impl Fn(&Progress) + Send + Sync + 'static) -> Self {
        Self(Arc::new(tell))
    }
}

/// Two listeners are the same when they are clones of one.
impl PartialEq for ProgressListener {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for ProgressListener {}

impl fmt::Debug for ProgressListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ProgressListener")
    }
}

/// What one statement reads, with the one to tell.
#[derive(Debug)]
pub(crate) struct Reading {
    listener: ProgressListener,
    begun: Instant,
    rows: AtomicU64,
    bytes: AtomicU64,
    /// What its scans have in all; `None` once one of them does not know.
    rows_total: Mutex<Option<u64>>,
    files: Mutex<FilesRead>,
    /// Whether it scans anything: planning alone is not worth a word.
    scans: AtomicBool,
    ended: AtomicBool,
    told: Mutex<Told>,
}

#[derive(Debug)]
struct Told {
    last: Instant,
    finished: bool,
}

impl Reading {
    pub(crate) fn new(listener: ProgressListener) -> Self {
        let begun = Instant::now();
        Self {
            listener,
            begun,
            rows: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            rows_total: Mutex::new(Some(0)),
            files: Mutex::default(),
            scans: AtomicBool::new(false),
            ended: AtomicBool::new(false),
            told: Mutex::new(Told { last: begun, finished: false }),
        }
    }

    /// One more scan belongs to the statement; `rows` are its own, if it knows.
    pub(crate) fn scans(&self, rows: Option<u64>) {
        self.scans.store(true, Ordering::Relaxed);
        let mut total = self.rows_total.lock().unwrap_or_else(PoisonError::into_inner);
        *total = total.zip(rows).and_then(|(total, rows)| total.checked_add(rows));
    }

    /// The statement reads the files of `plan`.
    pub(crate) fn reads(&self, plan: &LogicalPlan) {
        self.files().add(plan);
    }

    /// A scan hands out `batch`.
    pub(crate) fn count(&self, batch: &RecordBatch) {
        // A type that cannot say its size is not a reason to fail.
        let bytes = slice_bytes(batch).unwrap_or_default();
        self.rows.fetch_add(u64::try_from(batch.num_rows()).unwrap_or(u64::MAX), Ordering::Relaxed);
        self.bytes.fetch_add(u64::try_from(bytes).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// The statement has ended.
    pub(crate) fn end(&self) {
        self.ended.store(true, Ordering::Release);
    }

    /// Tells the listener, unless it was told a moment ago.
    pub(crate) fn tell(&self) {
        let finished = self.ended.load(Ordering::Acquire);
        if self.scans.load(Ordering::Relaxed) && self.is_due(finished) {
            // Without the lock: the listener may wait for locks of its own.
            (self.listener.0)(&self.progress(finished));
        }
    }

    fn is_due(&self, finished: bool) -> bool {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.finished || !(finished || told.last.elapsed() >= INTERVAL) {
            return false;
        }
        *told = Told { last: Instant::now(), finished };
        true
    }

    fn files(&self) -> MutexGuard<'_, FilesRead> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn progress(&self, finished: bool) -> Progress {
        let (file_bytes, file_bytes_total) = {
            let files = self.files();
            (files.bytes(), files.bytes_total())
        };
        Progress {
            rows: self.rows.load(Ordering::Relaxed),
            bytes: self.bytes.load(Ordering::Relaxed),
            rows_total: *self.rows_total.lock().unwrap_or_else(PoisonError::into_inner),
            file_bytes,
            file_bytes_total,
            elapsed: self.begun.elapsed(),
            finished,
        }
    }
}
